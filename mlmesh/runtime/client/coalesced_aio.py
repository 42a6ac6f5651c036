"""An asyncio channel whose unary calls leave together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any

import grpc

from mlmesh.runtime.client.aio_call import AioCall, begun
from mlmesh.runtime.client.coalesced import (
    CallOptions,
    Coalesced,
    Deserializer,
    Serializer,
    as_it_is,
)
from mlmesh.runtime.coalescing.carrier import Carrier
from mlmesh.runtime.contracts import Method


@asynccontextmanager
async def coalesced_aio(
    coalesced: Coalesced, plain: grpc.aio.Channel
) -> AsyncIterator[grpc.aio.Channel]:
    """plain: a channel for all calls that share no message."""
    async with coalesced.open_carrier() as carrier:
        channel = AioChannel(carrier, plain, coalesced.carried_methods())
        try:
            yield channel
        finally:
            channel.closed = True


class AioChannel(grpc.aio.Channel):
    """The same stubs as on any other channel; streams and unknown methods go as ever."""

    def __init__(
        self, carrier: Carrier, plain: grpc.aio.Channel, methods: Mapping[str, Method]
    ) -> None:
        self.carrier = carrier
        self.closed = False
        self._plain = plain
        self._methods = methods

    def unary_unary(
        self,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        _registered_method: bool | None = False,
    ) -> Any:
        arguments = (method, request_serializer, response_deserializer)
        plain = self._plain.unary_unary(*arguments)
        known = self._methods.get(method)
        if known is None:
            return plain
        encode = request_serializer or as_it_is
        return AioUnary(self, known, encode, response_deserializer or as_it_is, plain)

    def unary_stream(self, *arguments: Any, **named: Any) -> Any:
        return self._plain.unary_stream(*arguments, **named)

    def stream_unary(self, *arguments: Any, **named: Any) -> Any:
        return self._plain.stream_unary(*arguments, **named)

    def stream_stream(self, *arguments: Any, **named: Any) -> Any:
        return self._plain.stream_stream(*arguments, **named)

    async def close(self, grace: float | None = None) -> None:
        """Takes no more calls; those under way end with the connection's block."""
        self.closed = True
        await self._plain.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        return self._plain.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        await self._plain.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        await self._plain.channel_ready()

    async def __aenter__(self) -> AioChannel:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


class AioUnary(grpc.aio.UnaryUnaryMultiCallable[Any, Any]):
    """plain: the same method for what cannot share a message."""

    def __init__(
        self,
        channel: AioChannel,
        method: Method,
        encode: Serializer,
        decode: Deserializer,
        plain: grpc.aio.UnaryUnaryMultiCallable[Any, Any],
    ) -> None:
        self._channel = channel
        self._method = method
        self._encode = encode
        self._decode = decode
        self._plain = plain

    def __call__(
        self,
        request: Any,
        *,
        timeout: float | None = None,
        metadata: Any = None,
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,
        compression: grpc.Compression | None = None,
    ) -> grpc.aio.UnaryUnaryCall[Any, Any]:
        options = CallOptions(timeout, metadata, credentials, wait_for_ready, compression)
        call = options.call_of(self._method)
        if call is None:
            return self._plain(request, **options.plainly())
        if self._channel.closed:
            raise grpc.aio.UsageError("Channel is closed.")
        answer = begun(self._channel.carrier, self._method, self._encode(request), call)
        return AioCall(answer, call, self._decode)
