from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from mlmesh.runtime.instruments import Counter, Gauge, Histogram, Meters

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def impatient() -> Iterator[None]:
    """Threads take turns far more often than usual."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


def test_values_lie_in_the_buckets_that_their_bounds_say(registry: CollectorRegistry) -> None:
    histogram = Histogram(registry, "seconds", "Some.", ["model"], bounds=(0.1, 1))
    series = histogram.series("a")

    for value in (0.05, 0.1, 0.5, 7):
        series.observe(value)

    def found(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, {"model": "a", **labels})

    assert [found("seconds_bucket", le=le) for le in ("0.1", "1.0", "+Inf")] == [2, 3, 4]
    assert (found("seconds_count"), found("seconds_sum")) == (4, 7.65)


def test_a_name_without_labels_is_there_from_the_start(registry: CollectorRegistry) -> None:
    Counter(registry, "calls_total", "Some.")
    Gauge(registry, "open", "Some.")

    assert registry.get_sample_value("calls_total") == 0
    assert registry.get_sample_value("open") == 0


def test_a_removed_series_does_not_come_back_when_it_is_written(
    registry: CollectorRegistry,
) -> None:
    counter = Counter(registry, "calls_total", "Some.", ["model"])
    kept = counter.series("a")
    kept.add()

    counter.remove("a")
    kept.add()

    assert registry.get_sample_value("calls_total", {"model": "a"}) is None
    assert counter.series("a").value == 0


def test_labels_beyond_the_most_are_counted_together(registry: CollectorRegistry) -> None:
    counter = Counter(registry, "calls_total", "Some.", ["who"], most=3)

    for n in range(1000):
        counter.series(str(n)).add()

    (family,) = registry.collect()
    assert {sample.labels["who"]: sample.value for sample in family.samples} == {
        "0": 1, "1": 1, "2": 1, "other": 997,
    }  # fmt: skip


def test_a_name_cannot_be_taken_twice(registry: CollectorRegistry) -> None:
    Counter(registry, "calls_total", "Some.")

    with pytest.raises(ValueError, match="Duplicated"):
        Meters(registry, "calls", "Others.", [], list)


def test_the_last_traced_call_of_a_bucket_is_its_exemplar(registry: CollectorRegistry) -> None:
    series = Histogram(registry, "seconds", "Some.", bounds=(0.1, 1)).series()

    series.observe(0.5, "f" * 32)
    series.observe(0.7, TRACE)
    series.observe(0.6)

    (family,) = text_string_to_metric_families(generate_latest(registry).decode())
    exemplars = {s.labels["le"]: s.exemplar for s in family.samples if s.exemplar}
    assert list(exemplars) == ["1.0"]
    assert exemplars["1.0"].labels == {"trace_id": TRACE}
    assert exemplars["1.0"].value == 0.7


@pytest.mark.usefixtures("impatient")
def test_a_scrape_while_series_are_written_made_and_removed_is_whole(
    registry: CollectorRegistry,
) -> None:
    histogram = Histogram(registry, "seconds", "Some.", ["model"], bounds=(1, 2))
    done = threading.Event()
    failed: list[BaseException] = []

    def scrape() -> None:
        try:
            while not done.is_set():
                (family,) = registry.collect()
                for sample in family.samples:
                    if sample.name == "seconds_count":
                        le = {**sample.labels, "le": "+Inf"}
                        (last,) = (s for s in family.samples if s.labels == le)
                        assert last.value == sample.value
                    if sample.name == "seconds_sum":
                        (count,) = (
                            s.value
                            for s in family.samples
                            if s.name == "seconds_count" and s.labels == sample.labels
                        )
                        assert sample.value <= 1.5 * count
        except BaseException as error:
            failed.append(error)

    scraping = threading.Thread(target=scrape)
    scraping.start()
    for n in range(20_000):
        histogram.series(str(n % 20)).observe(1.5)
        if n % 7 == 0:
            histogram.remove(str(n % 20))
    done.set()
    scraping.join()

    assert not failed
