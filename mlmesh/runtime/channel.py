"""Channels to the services of a mesh: retries, deadlines, keepalive and balancing as the contracts
allow.

    with connect("localhost:50051") as channel:
        stub = predictor_pb2_grpc.PredictorServiceStub(channel)
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import grpc

from mlmesh.runtime.client.coalesced import Coalesced
from mlmesh.runtime.client.coalesced_aio import coalesced_aio
from mlmesh.runtime.client.coalesced_sync import coalesced_sync
from mlmesh.runtime.client.plain import channel_options, open_aio, open_sync
from mlmesh.runtime.client.tls import Tls
from mlmesh.runtime.coalescing.options import Coalescing
from mlmesh.runtime.contracts import Method, load_contracts

__all__ = ["Coalescing", "Connection", "Tls", "connect"]


@dataclass(slots=True)
class Connection:
    """A channel for the length of a block: `with` for plain stubs, `async with` for asyncio's."""

    target: str
    tls: Tls | None
    methods: tuple[Method, ...]
    coalescing: Coalescing | None = None
    """How calls share messages; None sends each as it is."""
    _sync: ExitStack = field(default_factory=ExitStack, init=False)
    _async: AsyncExitStack = field(default_factory=AsyncExitStack, init=False)

    def __enter__(self) -> grpc.Channel:
        options = channel_options(self.methods, deadlines=True)
        with ExitStack() as stack:
            channel = stack.enter_context(open_sync(self.target, self.tls, options))
            if self.coalescing is not None:
                coalesced = coalesced_sync(self._coalesced(self.coalescing), channel)
                channel = stack.enter_context(coalesced)
            self._sync = stack.pop_all()
        return channel

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._sync.close()

    async def __aenter__(self) -> grpc.aio.Channel:
        options = channel_options(self.methods, deadlines=True)
        async with AsyncExitStack() as stack:
            opened = open_aio(self.target, self.tls, options)
            channel = await stack.enter_async_context(opened)
            if self.coalescing is not None:
                coalesced = coalesced_aio(self._coalesced(self.coalescing), channel)
                channel = await stack.enter_async_context(coalesced)
            self._async = stack.pop_all()
        return channel

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._async.aclose()

    def _coalesced(self, options: Coalescing) -> Coalesced:
        return Coalesced(self.target, self.tls, self.methods, options)


def connect(
    target: str,
    *,
    tls: Tls | None = None,
    descriptors: Iterable[Path] = (),
    coalesce: bool | Coalescing = False,
) -> Connection:
    """A connection to `target` (host:port, `dns:///` or any other that gRPC knows).

    Calls get the deadlines of their contracts unless their caller sets shorter ones, and those that
    can be repeated are tried again when the service is not there. descriptors: sets of further
    contracts than mlmesh's own. Without `tls` nothing is encrypted.

    coalesce: send unary calls that wait at the same time together, in one message; what suits a
    client with many calls at once. Services that do not know how are called as ever. `target` may
    then be several addresses, too, with commas between, if nothing but unary calls goes there.
    """
    options = coalesce if isinstance(coalesce, Coalescing) else Coalescing() if coalesce else None
    return Connection(target, tls, tuple(load_contracts(tuple(descriptors)).methods()), options)
