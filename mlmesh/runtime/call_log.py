"""One line for a call, and under load only for some of them.

Calls that went well and those that did not have a budget of lines each second; a line says how many
of its kind were left out before it.
"""

from __future__ import annotations

import logging
import time
from contextvars import ContextVar

from mlmesh.runtime.call import Call
from mlmesh.runtime.tracing import FAULTS

MODEL: ContextVar[tuple[str, str]] = ContextVar("mlmesh_model", default=("", ""))
"""Model and version that the current task found for its call."""


class CallLog:
    """per_second: lines of either kind; 0 writes none."""

    def __init__(self, logger: logging.Logger, per_second: int) -> None:
        self._logger = logger
        self._good = _Budget(per_second)
        self._bad = _Budget(per_second)

    def write(
        self,
        level: int,
        event: str,
        call: Call,
        seconds: float,
        crash: BaseException | None = None,
        **fields: object,
    ) -> None:
        """crash: what escaped; its frames are written, its message is not."""
        if not self._logger.isEnabledFor(level):
            return
        budget = self._good if level <= logging.INFO else self._bad
        if not budget.take():
            return
        known = {name: value for name, value in fields.items() if value != ""}
        extra = {
            "request_id": call.request_id,
            "trace_id": call.traceparent[3:35],
            **known,
            "duration_ms": round(seconds * 1000, 3),
        }
        if left_out := budget.reported():
            extra["left_out"] = left_out
        self._logger.log(level, event, extra=extra, exc_info=crash)


def level_of(code: str) -> int:
    """How much an operator should care about a call with this gRPC code."""
    if code == "INTERNAL":
        return logging.ERROR
    return logging.WARNING if code in FAULTS else logging.INFO


class _Budget:
    __slots__ = ("_left_out", "_per_second", "_second", "_written")

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._second = 0
        self._written = 0
        self._left_out = 0

    def take(self) -> bool:
        """Whether a line may be written now."""
        second = int(time.monotonic())
        if second != self._second:
            self._second = second
            self._written = 0
        if self._written >= self._per_second:
            self._left_out += 1
            return False
        self._written += 1
        return True

    def reported(self) -> int:
        """How many were left out since this was asked last."""
        left_out, self._left_out = self._left_out, 0
        return left_out
