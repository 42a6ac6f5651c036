"""What the gateway counts of the calls that it carries, by target."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from mlmesh.runtime.instruments import Counter, Histogram

CALLS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)


class CarriedMetrics:
    """One for all targets."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._messages = Histogram(
            registry,
            "mesh_message_calls",
            "Calls that left for a service in one message.",
            ("target",),
            bounds=CALLS,
        )
        self._repeated = Counter(
            registry,
            "mesh_calls_repeated_total",
            "Calls that were sent once more, for their replica was gone or not there just then.",
            ("target",),
        )

    def of(self, target: str) -> TargetTally:
        return TargetTally(self._messages, self._repeated, target)


class TargetTally:
    """The series of one target, looked up once."""

    __slots__ = ("_messages", "_repeated")

    def __init__(self, messages: Histogram, repeated: Counter, target: str) -> None:
        self._messages = messages.series(target)
        self._repeated = repeated.series(target)

    def sent(self, calls: int) -> None:
        self._messages.observe(calls)

    def repeated(self) -> None:
        self._repeated.add()
