"""A carried call as asyncio's stubs return it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Generator
from typing import Any

import grpc

from mlmesh.runtime.answer import Answer
from mlmesh.runtime.call import Call
from mlmesh.runtime.client.answered import CANCELLED, aio_failure
from mlmesh.runtime.coalescing.carrier import Carrier
from mlmesh.runtime.coalescing.closed import Closed
from mlmesh.runtime.contracts import Method
from mlmesh.runtime.errors import ServingError


def begun(carrier: Carrier, method: Method, request: bytes, call: Call) -> asyncio.Future[Answer]:
    """The answer to come; a call that is refused at once fails like one that is refused late."""
    try:
        return carrier.begin(method, request, call)
    except ServingError as error:
        refused: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        refused.set_exception(error)
        return refused


class AioCall(grpc.aio.UnaryUnaryCall[Any, Any]):
    """It has been begun. A call that nobody holds any more is given up."""

    def __init__(
        self, answer: asyncio.Future[Answer], call: Call, decode: Callable[[bytes], Any]
    ) -> None:
        self._answer = answer
        self._call = call
        self._decode = decode

    def __await__(self) -> Generator[Any, None, Any]:
        try:
            answer = yield from self._answer
        except Closed:
            # As a closing channel of gRPC's own does to its calls.
            raise asyncio.CancelledError(CANCELLED) from None
        except ServingError as error:
            raise aio_failure(error, self._call) from None
        return self._decode(answer.response)

    def __del__(self) -> None:
        if self._answer.done():
            # Whoever asked does not want to know, and the loop need not complain of it.
            self._error()
        elif not self._answer.get_loop().is_closed():
            self._answer.cancel()

    def cancelled(self) -> bool:
        return self._answer.cancelled() or isinstance(self._error(), Closed)

    def done(self) -> bool:
        return self._answer.done()

    def cancel(self) -> bool:
        return self._answer.cancel()

    def time_remaining(self) -> float | None:
        left = self._call.remaining
        return None if left == math.inf else max(0.0, left)

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        self._answer.add_done_callback(lambda _: callback(self))

    async def initial_metadata(self) -> grpc.aio.Metadata:
        await self._ended()
        return grpc.aio.Metadata()

    async def trailing_metadata(self) -> grpc.aio.Metadata:
        failure = await self._failure()
        return failure.trailing_metadata() if failure else grpc.aio.Metadata()

    async def code(self) -> grpc.StatusCode:
        failure = await self._failure()
        return failure.code() if failure else grpc.StatusCode.OK

    async def details(self) -> str:
        failure = await self._failure()
        return (failure.details() or "") if failure else ""

    async def wait_for_connection(self) -> None:
        """Comes back when the call has ended: what carries it is shared. Raises AioRpcError."""
        if failure := await self._failure():
            raise failure

    async def _ended(self) -> None:
        await asyncio.wait([self._answer])

    async def _failure(self) -> grpc.aio.AioRpcError | None:
        await self._ended()
        if self.cancelled():
            nothing = grpc.aio.Metadata()
            return grpc.aio.AioRpcError(grpc.StatusCode.CANCELLED, nothing, nothing, CANCELLED)
        error = self._error()
        return aio_failure(error, self._call) if error else None

    def _error(self) -> ServingError | None:
        """Why it failed, once it has."""
        if not self._answer.done() or self._answer.cancelled():
            return None
        error = self._answer.exception()
        if error is not None and not isinstance(error, ServingError):
            raise error
        return error
