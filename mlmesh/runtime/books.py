"""What is written down of a call when it is over: figures, a line, the end of its span."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from mlmesh.runtime.call import Call, sampled_trace_id
from mlmesh.runtime.call_log import CallLog, level_of
from mlmesh.runtime.contracts import Method
from mlmesh.runtime.errors import InternalError, ServingError
from mlmesh.runtime.metrics import ServerMetrics

Refusal = Callable[[ServingError], ServingError]


class Books:
    def __init__(self, metrics: ServerMetrics, log: CallLog | None) -> None:
        self._metrics = metrics
        self._log = log

    def close(
        self,
        method: Method,
        call: Call,
        started: float,
        failure: BaseException | None,
        refusal: Refusal,
        model: tuple[str, str],
    ) -> BaseException | None:
        """What the caller is told of `failure`: a ServingError in the terms of `refusal`, or that
        the call was given up; None when nothing failed.

        started: in seconds of time.perf_counter(). model: name and version that it was found for.
        """
        seconds = time.perf_counter() - started
        told, code = _told(failure, refusal)
        if isinstance(failure, ServingError):
            self._metrics.refused(method, failure.reason)
        self._metrics.observe(method, code, seconds, sampled_trace_id(call.traceparent))
        if self._log is not None:
            self._write(self._log, method, call, code, failure, seconds, model)
        if call.span is not None:
            call.span.put(rpc__method=method.path[1:], mlmesh__attempt=call.attempt)
            call.span.end(code, failure)
        return told

    def _write(
        self,
        log: CallLog,
        method: Method,
        call: Call,
        code: str,
        failure: BaseException | None,
        seconds: float,
        model: tuple[str, str],
    ) -> None:
        """One line; of a refusal its reason, for the message may repeat what was sent."""
        refused = isinstance(failure, ServingError)
        log.write(
            level_of(code),
            "call",
            call,
            seconds,
            failure if code == "INTERNAL" and not refused else None,
            method=method.path,
            status=code,
            reason=failure.reason if isinstance(failure, ServingError) else "",
            model=model[0],
            version=model[1],
        )


def _told(failure: BaseException | None, refusal: Refusal) -> tuple[BaseException | None, str]:
    """What the caller is told, and its gRPC code."""
    if failure is None:
        return None, "OK"
    if isinstance(failure, ServingError):
        told = refusal(failure)
        return told, told.code.name
    if isinstance(failure, Exception):
        error = InternalError()
        error.__cause__ = failure
        return error, "INTERNAL"
    if isinstance(failure, asyncio.CancelledError | GeneratorExit):
        return failure, "CANCELLED"
    return failure, "OK"
