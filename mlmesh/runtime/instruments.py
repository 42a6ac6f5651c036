"""Counters, gauges and histograms that cost little to write, as Prometheus' registry reads them.

One thread writes a series, the event loop's, so nothing is locked. A scrape reads from another
thread: single numbers and copies of lists, which are whole whenever it comes. A new series makes a
new table, so that a table never changes while it is read.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    Exemplar,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

MOST_SERIES = 10_000
"""Of one name; what comes beyond is counted together, with OTHER for every label."""
OTHER = "other"

Labels = tuple[str, ...]
Series = TypeVar("Series")


class Value:
    """One series of a counter or gauge. Written by the event loop only."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def add(self, amount: float = 1) -> None:
        self.value += amount


class Spread:
    """One series of a histogram. Written by the event loop only."""

    __slots__ = ("_bounds", "counts", "exemplars", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0
        self.exemplars: dict[int, Exemplar] = {}

    def observe(self, value: float, trace_id: str = "") -> None:
        """trace_id: of a call that is traced; the bucket's last one is shown with it."""
        at = bisect_left(self._bounds, value)
        self.counts[at] += 1
        self.total += value
        if trace_id:
            exemplar = Exemplar({"trace_id": trace_id}, value, time.time())
            self.exemplars = {**self.exemplars, at: exemplar}


class _Instrument(Collector, Generic[Series]):
    """A name with its series, by the values of its labels."""

    def __init__(
        self,
        registry: CollectorRegistry,
        name: str,
        meaning: str,
        labels: Sequence[str] = (),
        *,
        most: int = MOST_SERIES,
    ) -> None:
        self._name = name
        self._meaning = meaning
        self._labels = tuple(labels)
        self._most = most
        self._table: dict[Labels, Series] = {}
        registry.register(self)
        if not labels:
            self.series()

    def series(self, *labels: str) -> Series:
        """The series of these labels; look it up once and keep it, where it is written often."""
        found = self._table.get(labels)
        if found is None and len(self._table) >= self._most:
            labels = (OTHER,) * len(self._labels)
            found = self._table.get(labels)
        if found is None:
            found = self._new()
            self._table = {**self._table, labels: found}
        return found

    def remove(self, *labels: str) -> None:
        """Forget a series; who still writes it writes nowhere."""
        self._table = {known: one for known, one in self._table.items() if known != labels}

    def describe(self) -> Iterable[Metric]:
        return [self._family()]

    def collect(self) -> Iterator[Metric]:
        family = self._family()
        for labels, series in self._table.items():
            self._show(family, labels, series)
        yield family

    def _new(self) -> Series:
        raise NotImplementedError

    def _family(self) -> Metric:
        raise NotImplementedError

    def _show(self, family: Metric, labels: Labels, series: Series) -> None:
        raise NotImplementedError


class Counter(_Instrument[Value]):
    """Only grows; its name ends in _total."""

    def _new(self) -> Value:
        return Value()

    def _family(self) -> Metric:
        return CounterMetricFamily(self._name, self._meaning, labels=self._labels)

    def _show(self, family: Metric, labels: Labels, series: Value) -> None:
        assert isinstance(family, CounterMetricFamily)
        family.add_metric(labels, series.value)


class Gauge(_Instrument[Value]):
    """Goes up and down."""

    def _new(self) -> Value:
        return Value()

    def _family(self) -> Metric:
        return GaugeMetricFamily(self._name, self._meaning, labels=self._labels)

    def _show(self, family: Metric, labels: Labels, series: Value) -> None:
        assert isinstance(family, GaugeMetricFamily)
        family.add_metric(labels, series.value)


class Histogram(_Instrument[Spread]):
    """How often values lay between bounds."""

    def __init__(
        self,
        registry: CollectorRegistry,
        name: str,
        meaning: str,
        labels: Sequence[str] = (),
        *,
        bounds: Sequence[float],
    ) -> None:
        self._bounds = tuple(bounds)
        self._marks = [*(str(float(bound)) for bound in bounds), "+Inf"]
        super().__init__(registry, name, meaning, labels)

    def _new(self) -> Spread:
        return Spread(self._bounds)

    def _family(self) -> Metric:
        return HistogramMetricFamily(self._name, self._meaning, labels=self._labels)

    def _show(self, family: Metric, labels: Labels, series: Spread) -> None:
        assert isinstance(family, HistogramMetricFamily)
        # The sum first: a value that comes in between is in the counts, so no mean is too large.
        total, counts, exemplars = series.total, list(series.counts), series.exemplars
        buckets: list[Any] = []
        below = 0
        for at, count in enumerate(counts):
            below += count
            buckets.append((self._marks[at], below, exemplars.get(at)))
        family.add_metric(labels, buckets, total)


Reading = tuple[Labels, float]


class Meters(Collector):
    """A gauge that is read when somebody looks, from the scrape's thread.

    read: gives the labels and the value of each of its series.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        name: str,
        meaning: str,
        labels: Sequence[str],
        read: Callable[[], Iterable[Reading]],
    ) -> None:
        self._name = name
        self._meaning = meaning
        self._labels = tuple(labels)
        self._read = read
        registry.register(self)

    def describe(self) -> Iterable[Metric]:
        return [self._family()]

    def collect(self) -> Iterator[Metric]:
        family = self._family()
        for labels, value in self._read():
            family.add_metric(labels, value)
        yield family

    def _family(self) -> GaugeMetricFamily:
        return GaugeMetricFamily(self._name, self._meaning, labels=self._labels)


class Meter(Meters):
    """The same with one series and no labels."""

    def __init__(
        self, registry: CollectorRegistry, name: str, meaning: str, read: Callable[[], float]
    ) -> None:
        super().__init__(registry, name, meaning, (), lambda: [((), read())])
