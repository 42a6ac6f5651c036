"""Rates and quantiles between two looks, held to what Prometheus itself would say of them."""

from __future__ import annotations

import math

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from mlmesh.cli.top_change import Change
from mlmesh.cli.top_scrape import Scrape, Source, samples_of

SOURCE = Source("predictor", "http://127.0.0.1:1/metrics")


class Program:
    """The metrics of a program, as its page shows them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.calls = Counter("calls", "Calls.", ["code"], registry=self.registry)
        self.queue = Gauge("queue", "Rows.", ["model"], registry=self.registry)
        self.seconds = Histogram(
            "seconds", "Seconds.", ["model"], buckets=(0.1, 0.2, 0.4), registry=self.registry
        )

    def at(self, seconds: float) -> Scrape:
        return Scrape(SOURCE, seconds, samples_of(generate_latest(self.registry).decode()))


def test_a_rate_is_what_came_in_between_a_second() -> None:
    program = Program()
    program.calls.labels("OK").inc(100)
    before = program.at(10.0)
    program.calls.labels("OK").inc(30)
    program.calls.labels("INTERNAL").inc(10)

    change = Change(before, program.at(14.0))

    assert change.rate("calls_total") == 10
    assert change.rate("calls_total", code="INTERNAL") == 2.5
    assert change.rate("calls_total", code="NOT_FOUND") == 0


def test_a_counter_that_fell_began_anew() -> None:
    old, new = Program(), Program()
    old.calls.labels("OK").inc(1000)
    new.calls.labels("OK").inc(6)

    assert Change(old.at(0.0), new.at(2.0)).rate("calls_total") == 3


def test_a_level_is_the_sum_of_what_it_is_now() -> None:
    program = Program()
    program.queue.labels("a").set(3)
    program.queue.labels("b").set(4)

    change = Change(program.at(0.0), program.at(1.0))

    assert change.level("queue") == 7
    assert change.level("queue", model="b") == 4
    assert change.values("queue", "model") == ["a", "b"]


@pytest.mark.parametrize(
    ("seen", "share", "said"),
    [
        ([0.05] * 10, 0.5, 0.05),  # half of the first bucket
        ([0.15] * 10, 0.5, 0.15),  # the middle of the second
        ([0.05] * 5 + [0.3] * 5, 0.99, 0.4 - 0.2 * 0.02),
        ([9.0] * 10, 0.5, 0.4),  # beyond all bounds: the last finite one
    ],
)
def test_a_quantile_lies_within_its_bucket(seen: list[float], share: float, said: float) -> None:
    program = Program()
    program.seconds.labels("a").observe(0.3)
    before = program.at(0.0)
    for value in seen:
        program.seconds.labels("a").observe(value)

    assert Change(before, program.at(1.0)).quantile(share, "seconds") == pytest.approx(said)


def test_of_nothing_there_is_no_quantile_and_no_mean() -> None:
    program = Program()
    program.seconds.labels("a").observe(0.3)
    change = Change(program.at(0.0), program.at(1.0))

    assert math.isnan(change.quantile(0.5, "seconds"))
    assert math.isnan(change.quantile(0.5, "other"))
    assert math.isnan(change.mean("seconds"))


def test_a_mean_is_of_what_came_in_between() -> None:
    program = Program()
    program.seconds.labels("a").observe(100)
    before = program.at(0.0)
    program.seconds.labels("a").observe(1)
    program.seconds.labels("b").observe(3)

    assert Change(before, program.at(1.0)).mean("seconds") == 2
