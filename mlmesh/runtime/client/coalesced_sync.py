"""A channel for plain stubs whose unary calls, of all threads, leave together."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import grpc

from mlmesh.runtime.call import Call
from mlmesh.runtime.client.coalesced import (
    CallOptions,
    Coalesced,
    Deserializer,
    Serializer,
    as_it_is,
)
from mlmesh.runtime.client.loop_thread import LoopThread, loop_thread
from mlmesh.runtime.client.sync_call import SyncCall
from mlmesh.runtime.coalescing.carrier import Carrier
from mlmesh.runtime.contracts import Method


@contextmanager
def coalesced_sync(coalesced: Coalesced, plain: grpc.Channel) -> Iterator[grpc.Channel]:
    """plain: a channel for all calls that share no message."""
    with loop_thread(coalesced.open_carrier) as loop:
        channel = SyncChannel(loop, plain, coalesced.carried_methods())
        try:
            yield channel
        finally:
            channel.closed = True


class SyncChannel(grpc.Channel):
    """The same stubs as on any other channel; streams and unknown methods go as ever."""

    def __init__(
        self, loop: LoopThread[Carrier], plain: grpc.Channel, methods: Mapping[str, Method]
    ) -> None:
        self.closed = False
        self._loop = loop
        self._plain = plain
        self._methods = methods
        self._process = os.getpid()

    def begin(self, method: Method, request: bytes, call: Call, decode: Deserializer) -> SyncCall:
        """Raises ValueError when the channel is closed, RuntimeError in a forked process."""
        if self.closed:
            raise ValueError("Cannot invoke RPC on closed channel!")
        if os.getpid() != self._process:
            raise RuntimeError("the channel belongs to the parent process: connect after the fork")
        return SyncCall(self._loop, method, request, call, decode)

    def unary_unary(
        self,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        _registered_method: bool | None = False,
    ) -> Any:
        plain = self._plain.unary_unary(method, request_serializer, response_deserializer)
        known = self._methods.get(method)
        if known is None:
            return plain
        encode = request_serializer or as_it_is
        return SyncUnary(self, known, encode, response_deserializer or as_it_is, plain)

    def unary_stream(self, *arguments: Any, **named: Any) -> Any:
        return self._plain.unary_stream(*arguments, **named)

    def stream_unary(self, *arguments: Any, **named: Any) -> Any:
        return self._plain.stream_unary(*arguments, **named)

    def stream_stream(self, *arguments: Any, **named: Any) -> Any:
        return self._plain.stream_stream(*arguments, **named)

    def subscribe(
        self,
        callback: Callable[[grpc.ChannelConnectivity], None],
        try_to_connect: bool = False,
    ) -> None:
        self._plain.subscribe(callback, try_to_connect)

    def unsubscribe(self, callback: Callable[[grpc.ChannelConnectivity], None]) -> None:
        self._plain.unsubscribe(callback)

    def close(self) -> None:
        """Takes no more calls; those under way end with the connection's block."""
        self.closed = True
        self._plain.close()


class SyncUnary(grpc.UnaryUnaryMultiCallable):  # type: ignore[type-arg] # no generic at run time
    """plain: the same method for what cannot share a message."""

    def __init__(
        self,
        channel: SyncChannel,
        method: Method,
        encode: Serializer,
        decode: Deserializer,
        plain: grpc.UnaryUnaryMultiCallable[Any, Any],
    ) -> None:
        self._channel = channel
        self._method = method
        self._encode = encode
        self._decode = decode
        self._plain = plain

    def __call__(
        self,
        request: Any,
        timeout: float | None = None,
        metadata: Any = None,
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,
        compression: grpc.Compression | None = None,
    ) -> Any:
        options = CallOptions(timeout, metadata, credentials, wait_for_ready, compression)
        call = self._begun(request, options)
        if call is None:
            return self._plain(request, **options.plainly())
        return _answer_of(call)

    def with_call(
        self,
        request: Any,
        timeout: float | None = None,
        metadata: Any = None,
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,
        compression: grpc.Compression | None = None,
    ) -> tuple[Any, grpc.Call]:
        options = CallOptions(timeout, metadata, credentials, wait_for_ready, compression)
        call = self._begun(request, options)
        if call is None:
            return self._plain.with_call(request, **options.plainly())
        return _answer_of(call), call

    def future(
        self,
        request: Any,
        timeout: float | None = None,
        metadata: Any = None,
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,
        compression: grpc.Compression | None = None,
    ) -> Any:
        options = CallOptions(timeout, metadata, credentials, wait_for_ready, compression)
        call = self._begun(request, options)
        return call if call else self._plain.future(request, **options.plainly())

    def _begun(self, request: Any, options: CallOptions) -> SyncCall | None:
        """None for what has to go on its own."""
        call = options.call_of(self._method)
        if call is None:
            return None
        return self._channel.begin(self._method, self._encode(request), call, self._decode)


def _answer_of(call: SyncCall) -> Any:
    try:
        return call.result()
    except BaseException:
        # Also by Ctrl-C: nobody waits for it any more.
        call.cancel()
        raise
