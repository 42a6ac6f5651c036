"""Where the time of a call went, told by those that know to whoever asked."""

from __future__ import annotations

from contextvars import ContextVar


class Measured:
    """Nanoseconds, summed up over the runs of one call."""

    __slots__ = ("batch", "compute", "queue")

    def __init__(self) -> None:
        self.queue = 0
        self.batch = 0
        self.compute = 0

    def add(self, queue: int, batch: int, compute: int) -> None:
        self.queue += queue
        self.batch += batch
        self.compute += compute


MEASURED: ContextVar[Measured | None] = ContextVar("mlmesh_measured", default=None)
"""What the current task's call is to be measured by; None when nobody asked."""
