"""The services behind the gateway: one channel for every target, one answer for every failure."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import status_pb2

from gateway.status import Relayed
from mlmesh.runtime.call import Call
from mlmesh.runtime.channel import open_channel
from mlmesh.runtime.contracts import Contracts, Method
from mlmesh.runtime.errors import (
    Cancelled,
    DeadlineExceeded,
    InternalError,
    ServingError,
    TooLarge,
    Unavailable,
    Unsupported,
)

DETAILS = "grpc-status-details-bin"
HOP_SHARE = 0.05
HOP_SECONDS = 0.05

# What these say comes from the service's own code and is meant for the caller; the words of other
# failures come from gRPC itself and name addresses.
_FOR_CALLERS = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.ABORTED,
}


@dataclass(frozen=True, slots=True)
class Backend:
    """A target that serves one or more services."""

    target: str
    services: tuple[str, ...]
    channel: grpc.aio.Channel

    async def answer(self, method: Method, request: bytes, call: Call) -> bytes:
        """The serialised answer of a unary method; raises ServingError."""
        unary: Any = self.channel.unary_unary(method.path)
        try:
            answer: bytes = await unary(
                request, timeout=hop_seconds(call), metadata=_metadata(call)
            )
        except grpc.aio.AioRpcError as error:
            raise _failure(method, error) from None
        return answer

    async def stream(
        self, method: Method, requests: Iterable[bytes] | AsyncIterator[bytes], call: Call
    ) -> AsyncGenerator[bytes, None]:
        """The serialised answers of a streaming method; raises ServingError."""
        sent: Any = requests
        if method.descriptor.client_streaming:
            start: Any = self.channel.stream_stream(method.path)
        else:
            start = self.channel.unary_stream(method.path)
            if isinstance(requests, Iterable):
                sent = next(iter(requests))
            else:
                sent = await anext(requests)
        stream = start(sent, timeout=hop_seconds(call), metadata=_metadata(call))
        try:
            async for answer in stream:
                yield answer
        except grpc.aio.AioRpcError as error:
            raise _failure(method, error) from None
        finally:
            stream.cancel()


@asynccontextmanager
async def open_backends(
    targets: Mapping[str, str], contracts: Contracts
) -> AsyncIterator[dict[str, Backend]]:
    """Channels for `targets` (service full name -> target), by service; closed after the block."""
    by_target: dict[str, list[str]] = {}
    for service, target in targets.items():
        by_target.setdefault(target, []).append(service)
    methods = list(contracts.methods())
    async with AsyncExitStack() as stack:
        backends = {}
        for target, services in by_target.items():
            channel = await stack.enter_async_context(open_channel(target, methods))
            backend = Backend(target, tuple(services), channel)
            backends.update(dict.fromkeys(services, backend))
        yield backends


def hop_seconds(call: Call) -> float:
    """The time that a backend gets: a little less than is left, so that its own answer to a missed
    deadline arrives before ours is due. Raises DeadlineExceeded when nothing is left."""
    remaining = call.remaining
    if remaining <= 0:
        raise DeadlineExceeded("the deadline passed before the call could be sent on")
    return remaining - min(HOP_SECONDS, HOP_SHARE * remaining)


def _metadata(call: Call) -> tuple[tuple[str, str], ...]:
    metadata = (("x-request-id", call.request_id), ("traceparent", call.traceparent))
    return (*metadata, ("tracestate", call.tracestate)) if call.tracestate else metadata


def _failure(method: Method, error: grpc.aio.AioRpcError) -> ServingError:
    """What the caller is told of a failed call."""
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS:
            with suppress(DecodeError):
                return Relayed(status_pb2.Status.FromString(value))
    code = error.code()
    if code in _FOR_CALLERS:
        return Relayed(status_pb2.Status(code=code.value[0], message=error.details()))
    if code is grpc.StatusCode.UNAVAILABLE:
        return Unavailable(f"{method.service} is not available just now, try again")
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return DeadlineExceeded("the deadline passed before the answer was ready")
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return TooLarge(f"the message is larger than {method.service} or the gateway takes")
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return Unsupported(f"{method.service} does not have {method.name}")
    if code is grpc.StatusCode.CANCELLED:
        return Cancelled("the call was cancelled")
    return InternalError()
