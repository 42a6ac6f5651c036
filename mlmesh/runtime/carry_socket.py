"""Carries calls over a Unix socket: Carry for callers on the same machine, past gRPC.

The messages are those of `MeshService.Carry`, and mean the same; see frames.py for what stands
around them. A caller that has no more calls closes its half.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import cast

import grpc

from mlmesh.runtime.call import Call, deadline_after, request_id_of
from mlmesh.runtime.carried_calls import MAX_CARRIED, MESSAGE_BYTES, CarriedCalls
from mlmesh.runtime.chain import Chain
from mlmesh.runtime.errors import InvalidInput, ServingError
from mlmesh.runtime.frames import MESSAGE, TRAILERS, Frames, trailers
from mlmesh.v1 import mesh_pb2 as pb

CARRY = "/mlmesh.v1.MeshService/Carry"
LINGER_SECONDS = 5.0
"""For a caller to take the end of a connection, and close it."""


class CarrySocket(Frames):
    """The server's end of one connection."""

    def __init__(self, chain: Chain, max_message_bytes: int, open_ones: set[CarrySocket]) -> None:
        super().__init__(max_message_bytes)
        call = Call(request_id_of(""), deadline_after(None))
        self._stream = chain.open_stream(CARRY, call)
        self._calls = CarriedCalls(chain, self._stream.call, MAX_CARRIED, self._changed)
        self._open_ones = open_ones
        self._loop = asyncio.get_running_loop()
        self._due = False
        self._open = False
        self._leaving = False
        self._half_closed = False
        self._ended = False
        self._failure: BaseException | None = asyncio.CancelledError()
        """What it will have ended with."""
        self.closed: asyncio.Future[None] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=MESSAGE_BYTES)
        self._open_ones.add(self)
        # Callers replace a stream long before.
        self._timer = self._loop.call_later(self._stream.call.remaining, self.leave)
        try:
            self._stream.__enter__()
        except ServingError as error:
            self._end(error.code)
            return
        self._open = True
        self._write(pb.CarryResponse(max_message_bytes=self._largest))

    def frame(self, flags: int, content: bytes) -> None:
        if self._leaving or self._ended:
            # Never begun; the caller learns of it by the end.
            return
        try:
            if flags != MESSAGE:
                raise InvalidInput("", "a caller has no trailers")
            message = self._stream.request(content)
        except ServingError as error:
            self._fail(error)
            return
        self._calls.take(cast(pb.CarryRequest, message))
        if self._calls.full:
            self.transport.pause_reading()

    def broken(self, reason: str) -> None:
        if not self._ended:
            self._fail(InvalidInput("", reason))

    def eof_received(self) -> bool:
        self._half_closed = True
        self.leave()
        # Answers to come keep it open.
        return not self._ended

    def resume_writing(self) -> None:
        super().resume_writing()
        self._changed()

    def connection_lost(self, exc: Exception | None) -> None:
        self._open_ones.discard(self)
        self._calls.close()
        self._timer.cancel()
        if self._open:
            self._open = False
            with suppress(ServingError):
                self._stream.__exit__(None, self._failure, None)
        self.closed.set_result(None)

    def leave(self) -> None:
        """Answer what was read, and end."""
        self._leaving = True
        self._changed()

    def _changed(self) -> None:
        if not self._due and not self.paused:
            # Whatever else is ready in this turn of the loop leaves with it.
            self._due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._due = False
        calls = self._calls
        if self._ended or self.transport.is_closing():
            return
        was_full = calls.full
        while calls.due and not self.paused:
            self._write(calls.message())
        if was_full and not calls.full:
            self.transport.resume_reading()
        if self._leaving and calls.idle:
            self._failure = None
            self._end(grpc.StatusCode.OK)

    def _write(self, response: pb.CarryResponse) -> None:
        self.send(self._stream.response(response))

    def _fail(self, error: ServingError) -> None:
        self._failure = error
        self._end(error.code)

    def _end(self, code: grpc.StatusCode) -> None:
        self._ended = True
        self.send(trailers(code), TRAILERS)
        if self._half_closed:
            self.transport.close()
            return
        # The caller closes: were it writing to what is closed, it would never read this.
        self.transport.write_eof()
        self.transport.resume_reading()
        self._timer.cancel()
        self._timer = self._loop.call_later(LINGER_SECONDS, self.transport.close)


class CarryListener:
    """Listens at `path`, for this user alone."""

    def __init__(self, path: Path, chain: Chain, max_message_bytes: int) -> None:
        self._path = path
        self._chain = chain
        self._max_message_bytes = max_message_bytes
        self._connections: set[CarrySocket] = set()

    async def start(self) -> None:
        """Raises OSError when it cannot."""
        try:
            self._server = await _listening(self._path, self._open_end)
        except OSError as error:
            raise OSError(f"MLMESH_CARRY_FOLDER: cannot listen at {self._path}: {error}") from None

    async def stop(self, drain_seconds: float) -> None:
        """Let what was read be answered."""
        self._server.close()
        _remove(self._path)
        for connection in list(self._connections):
            connection.leave()
        if closed := [connection.closed for connection in self._connections]:
            await asyncio.wait(closed, timeout=drain_seconds)
        for connection in list(self._connections):
            connection.transport.abort()

    def _open_end(self) -> CarrySocket:
        return CarrySocket(self._chain, self._max_message_bytes, self._connections)


async def _listening(path: Path, open_end: Callable[[], CarrySocket]) -> asyncio.Server:
    _make_folder(path)
    # One that was killed has left its socket behind, which asyncio takes away.
    server = await asyncio.get_running_loop().create_unix_server(open_end, str(path))
    _close_to_others(path)
    return server


def _make_folder(path: Path) -> None:
    # Who cleans up temporary files must not keep a service from being started again.
    path.parent.mkdir(mode=0o700, exist_ok=True)


def _close_to_others(path: Path) -> None:
    path.chmod(0o600)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
