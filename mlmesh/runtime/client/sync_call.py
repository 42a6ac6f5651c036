"""A carried call as plain stubs return it."""

from __future__ import annotations

import concurrent.futures
import math
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any

import grpc

from mlmesh.runtime.answer import Answer
from mlmesh.runtime.call import Call
from mlmesh.runtime.client.answered import CANCELLED, CallFailed, sync_failure
from mlmesh.runtime.client.loop_thread import LoopThread
from mlmesh.runtime.coalescing.carrier import Carrier
from mlmesh.runtime.coalescing.closed import Closed
from mlmesh.runtime.coalescing.pending import PendingCall
from mlmesh.runtime.contracts import Method
from mlmesh.runtime.errors import ServingError


class SyncCall(grpc.Call, grpc.Future):  # type: ignore[type-arg] # no generic at run time
    """Its answer is awaited by threads; the loop's thread begins and ends it."""

    def __init__(
        self,
        loop: LoopThread[Carrier],
        method: Method,
        request: bytes,
        call: Call,
        decode: Callable[[bytes], Any],
    ) -> None:
        self._loop = loop
        self._method = method
        self._request = request
        self._call = call
        self._decode = decode
        self._answer: concurrent.futures.Future[Answer] = concurrent.futures.Future()
        self._pending: PendingCall | None = None
        loop.post(self._begin, self._miss)

    def cancel(self) -> bool:
        if not self._answer.cancel():
            return False
        self._loop.post(self._give_up, lambda: None)
        return True

    def cancelled(self) -> bool:
        return self._answer.cancelled()

    def running(self) -> bool:
        return not self._answer.done()

    def is_active(self) -> bool:
        return not self._answer.done()

    def done(self) -> bool:
        return self._answer.done()

    def result(self, timeout: float | None = None) -> Any:
        """The response. Raises CallFailed, FutureTimeoutError and FutureCancelledError."""
        try:
            answer = self._answer.result(timeout)
        except ServingError as error:
            raise sync_failure(error, self._call) from None
        except concurrent.futures.CancelledError:
            raise grpc.FutureCancelledError from None
        except concurrent.futures.TimeoutError:
            raise grpc.FutureTimeoutError from None
        return self._decode(answer.response)

    def exception(self, timeout: float | None = None) -> Exception | None:
        """Raises FutureTimeoutError and FutureCancelledError."""
        try:
            self.result(timeout)
        except (grpc.FutureTimeoutError, grpc.FutureCancelledError):
            raise
        except Exception as error:
            return error
        return None

    def traceback(self, timeout: float | None = None) -> TracebackType | None:
        error = self.exception(timeout)
        return error.__traceback__ if error else None

    def add_done_callback(self, fn: Callable[[grpc.Future[Any]], None]) -> None:
        self._answer.add_done_callback(lambda _: fn(self))

    def add_callback(self, callback: Callable[[], None]) -> bool:
        if self._answer.done():
            return False
        self._answer.add_done_callback(lambda _: callback())
        return True

    def time_remaining(self) -> Any:
        left = self._call.remaining
        return None if left == math.inf else max(0.0, left)

    def code(self) -> grpc.StatusCode:
        failure = self._failure()
        return failure.code() if failure else grpc.StatusCode.OK

    def details(self) -> str:
        failure = self._failure()
        return failure.details() if failure else ""

    def initial_metadata(self) -> Any:
        self._failure()
        return ()

    def trailing_metadata(self) -> Any:
        failure = self._failure()
        return failure.trailing_metadata() if failure else ()

    def _failure(self) -> CallFailed | None:
        """Waits for the end of the call, and says how it failed."""
        try:
            error = self._answer.exception()
        except concurrent.futures.CancelledError:
            return CallFailed(grpc.StatusCode.CANCELLED, CANCELLED, ())
        if error is None:
            return None
        if not isinstance(error, ServingError):
            raise error
        return sync_failure(error, self._call)

    def _begin(self, carrier: Carrier) -> None:
        if self._answer.cancelled():
            return
        try:
            self._pending = carrier.begin(self._method, self._request, self._call)
        except ServingError as error:
            self._fail(error)
        else:
            self._pending.add_done_callback(self._settle)

    def _miss(self) -> None:
        self._fail(Closed())

    def _give_up(self, _: Carrier) -> None:
        if self._pending is not None:
            self._pending.cancel()

    def _settle(self, pending: Any) -> None:
        if pending.cancelled():
            self._answer.cancel()
        elif error := pending.exception():
            self._fail(error)
        else:
            with suppress(concurrent.futures.InvalidStateError):
                self._answer.set_result(pending.result())

    def _fail(self, error: BaseException) -> None:
        # It may have been cancelled meanwhile.
        with suppress(concurrent.futures.InvalidStateError):
            self._answer.set_exception(error)
