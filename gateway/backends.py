"""The services behind the gateway: where each of them is, and how calls get there."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc

from mlmesh.runtime.answer import Answer
from mlmesh.runtime.call import Call
from mlmesh.runtime.coalescing.carrier import UNTOLD, Carrier, open_carrier
from mlmesh.runtime.coalescing.options import Coalescing
from mlmesh.runtime.coalescing.pending import PendingCall
from mlmesh.runtime.coalescing.plain import metadata_of, time_for
from mlmesh.runtime.coalescing.tally import Tally
from mlmesh.runtime.contracts import Method
from mlmesh.runtime.failure import failure_of

DEFAULT = Coalescing()


@dataclass(frozen=True, slots=True)
class Backend:
    """A target that serves one or more services."""

    target: str
    services: tuple[str, ...]
    carrier: Carrier

    def begin(self, method: Method, request: bytes, call: Call) -> PendingCall:
        """Call a unary method; failures are ServingErrors, here or in what is awaited."""
        return self.carrier.begin(method, request, call)

    async def answer(self, method: Method, request: bytes, call: Call) -> bytes:
        """The serialised answer of a unary method; raises ServingError."""
        answer: Answer = await self.begin(method, request, call)
        return answer.response

    async def stream(
        self, method: Method, requests: Iterable[bytes] | AsyncIterator[bytes], call: Call
    ) -> AsyncGenerator[bytes, None]:
        """The serialised answers of a streaming method; raises ServingError."""
        async with self.carrier.lent_channel(method, call) as channel:
            stream = await _begun(channel, method, requests, call)
            try:
                async for answer in stream:
                    yield answer
            except grpc.aio.AioRpcError as error:
                raise failure_of(method, error) from None
            finally:
                stream.cancel()


@asynccontextmanager
async def open_backends(
    targets: Mapping[str, str],
    coalescing: Coalescing = DEFAULT,
    tally_of: Callable[[str], Tally] = lambda target: UNTOLD,
) -> AsyncIterator[dict[str, Backend]]:
    """By service, what connects to `targets` (service full name -> target) inside the block."""
    by_target: dict[str, list[str]] = {}
    for service, target in targets.items():
        by_target.setdefault(target, []).append(service)
    async with AsyncExitStack() as stack:
        backends = {}
        for target, services in by_target.items():
            opening = open_carrier(target, coalescing, tally=tally_of(target))
            carrier = await stack.enter_async_context(opening)
            backend = Backend(target, tuple(services), carrier)
            backends.update(dict.fromkeys(services, backend))
        yield backends


async def _begun(
    channel: grpc.aio.Channel,
    method: Method,
    requests: Iterable[bytes] | AsyncIterator[bytes],
    call: Call,
) -> Any:
    sent: Any = requests
    if method.descriptor.client_streaming:
        start: Any = channel.stream_stream(method.path)
    else:
        start = channel.unary_stream(method.path)
        if isinstance(requests, Iterable):
            sent = next(iter(requests))
        else:
            sent = await anext(requests)
    return start(sent, timeout=time_for(call), metadata=metadata_of(call))
