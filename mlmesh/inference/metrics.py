"""What models do and how they are, in Prometheus' terms. docs/metrics.md lists all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from prometheus_client import CollectorRegistry

from mlmesh.inference.statistics import Spent
from mlmesh.runtime.instruments import Counter, Gauge, Histogram, Meters, Reading
from mlmesh.runtime.metrics import LATENCY_BUCKETS

RUN_BUCKETS = (0.000025, 0.00005, 0.0001, *LATENCY_BUCKETS)
"""Seconds; a tiny graph takes some 20 us."""
ROW_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
VERSION = ("model", "version")

State = tuple[str, str, str]
"""Of a version: model, version, state."""


class Queue(Protocol):
    """What waits for a version."""

    @property
    def waiting_rows(self) -> int: ...

    @property
    def waiting_bytes(self) -> int: ...


class InferenceMetrics:
    """Of the models of one process; the series of a version go when it does."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._queues: dict[tuple[str, str], tuple[Queue, ...]] = {}
        self._hosts: tuple[Callable[[], Iterable[State]], ...] = ()
        self.computing = Histogram(
            registry,
            "model_inference_duration_seconds",
            "Seconds that a model ran for one batch.",
            VERSION,
            bounds=RUN_BUCKETS,
        )
        self.rows = Histogram(
            registry,
            "model_batch_rows",
            "Rows that one run of a model took; their sum is all rows that were answered.",
            VERSION,
            bounds=ROW_BUCKETS,
        )
        self.waiting = Histogram(
            registry,
            "model_queue_wait_seconds",
            "Seconds that an item waited for its batch.",
            VERSION,
            bounds=RUN_BUCKETS,
        )
        self.phases = Counter(
            registry,
            "model_batch_seconds_total",
            "Seconds of all batches by phase: join their items, compute, part the answers.",
            (*VERSION, "phase"),
        )
        self.failures = Counter(
            registry,
            "model_batch_failures_total",
            "Runs of a model that failed; the items of such a batch are then run in halves.",
            VERSION,
        )
        self.dropped = Counter(
            registry,
            "model_queue_dropped_total",
            "Items that were not run: queue_full and too_large were refused, hopeless as well for "
            "its deadline was too near, expired and given_up left the queue.",
            (*VERSION, "reason"),
        )
        self._loaded = Gauge(
            registry,
            "model_version_loaded",
            "1 for every model version that answers, by what computes it.",
            (*VERSION, "provider"),
        )
        self._load_seconds = Gauge(
            registry,
            "model_load_seconds",
            "Seconds that the version took to load: copied, checked, tried, opened and warm.",
            VERSION,
        )
        self._loads = Counter(
            registry, "model_loads_total", "Versions that were loaded, or failed to.", ("result",)
        )
        self._failed_loads = self._loads.series("failed")
        self._good_loads = self._loads.series("loaded")
        self._swaps = Counter(
            registry,
            "model_swaps_total",
            "Versions that took the place of an older copy that answered.",
            ("model",),
        )
        Meters(
            registry,
            "model_version_state",
            "1 for the state that each version is in: LOADING, READY, FAILED or UNLOADED.",
            (*VERSION, "state"),
            lambda: [(state, 1.0) for states in self._hosts for state in states()],
        )
        Meters(registry, "model_queue_rows", "Rows that wait.", VERSION, self._waiting_rows)
        Meters(registry, "model_queue_bytes", "Bytes that wait.", VERSION, self._waiting_bytes)

    def version(self, model: str, version: str) -> VersionMetrics:
        """The series of one version; it may write them as long as it likes."""
        return VersionMetrics(self, model, version)

    def watch(self, model: str, version: str, queue: Queue) -> None:
        """Show what waits in `queue`; two copies of a version may have one each for a while."""
        watched = self._queues.get((model, version), ())
        self._queues = {**self._queues, (model, version): (*watched, queue)}

    def unwatch(self, model: str, version: str, queue: Queue) -> None:
        queues = dict(self._queues)
        left = tuple(one for one in queues.pop((model, version), ()) if one is not queue)
        self._queues = {**queues, (model, version): left} if left else queues

    def loaded(self, model: str, version: str, provider: str, seconds: float) -> None:
        self._loaded.series(model, version, provider).value = 1
        self._load_seconds.series(model, version).value = seconds
        self._good_loads.add()

    def failed(self) -> None:
        """A version could not be loaded; its state says which."""
        self._failed_loads.add()

    def swapped(self, model: str) -> None:
        self._swaps.series(model).add()

    def unloaded(self, model: str, version: str, provider: str) -> None:
        """Nobody asks for its figures any more; they would pile up with every version."""
        self._loaded.remove(model, version, provider)
        for instrument in (
            self.computing, self.rows, self.waiting, self.failures, self._load_seconds,
        ):  # fmt: skip
            instrument.remove(model, version)
        for phase in PHASES:
            self.phases.remove(model, version, phase)
        for reason in REASONS:
            self.dropped.remove(model, version, reason)

    def forgotten(self, model: str) -> None:
        """None of its versions is left."""
        self._swaps.remove(model)

    def read_states(self, states: Callable[[], Iterable[State]]) -> None:
        """Show the states of a host's versions; asked from another thread."""
        self._hosts = (*self._hosts, states)

    def forget_states(self, states: Callable[[], Iterable[State]]) -> None:
        self._hosts = tuple(one for one in self._hosts if one != states)

    def _waiting_rows(self) -> Iterator[Reading]:
        for labels, queues in self._queues.items():
            yield labels, sum(queue.waiting_rows for queue in queues)

    def _waiting_bytes(self) -> Iterator[Reading]:
        for labels, queues in self._queues.items():
            yield labels, sum(queue.waiting_bytes for queue in queues)


PHASES = ("join", "compute", "part")
REASONS = ("queue_full", "too_large", "hopeless", "expired", "given_up")


class VersionMetrics:
    """What one version counts."""

    __slots__ = ("_computing", "_dropped", "_failures", "_phases", "_rows", "_waiting")

    def __init__(self, metrics: InferenceMetrics, model: str, version: str) -> None:
        self._computing = metrics.computing.series(model, version)
        self._rows = metrics.rows.series(model, version)
        self._waiting = metrics.waiting.series(model, version)
        self._failures = metrics.failures.series(model, version)
        self._phases = tuple(metrics.phases.series(model, version, phase) for phase in PHASES)
        self._dropped = {
            reason: metrics.dropped.series(model, version, reason) for reason in REASONS
        }

    def ran(self, rows: int, spent: Spent, trace_id: str = "") -> None:
        """Count one run."""
        seconds = spent.computing / 1e9
        self._computing.observe(seconds, trace_id)
        self._rows.observe(rows)
        joining, computing, parting = self._phases
        joining.value += spent.joining / 1e9
        computing.value += seconds
        parting.value += spent.parting / 1e9

    def failed(self) -> None:
        self._failures.value += 1

    def waited(self, seconds: float) -> None:
        self._waiting.observe(seconds)

    def dropped(self, reason: str) -> None:
        """reason: one of REASONS."""
        self._dropped[reason].value += 1
