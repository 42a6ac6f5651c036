"""The caller's end of Carry over a Unix socket, used like the call of a gRPC stream."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import grpc

from mlmesh.runtime.frames import MAX_MESSAGE_BYTES, TRAILERS, Frames, code_of

CONNECT_SECONDS = 1.0
UNREAD_BYTES = 4 * 2**20
"""What may have come and not been read; then the server has to wait."""


class SocketCall(Frames):
    """What is written and read are serialised messages. One reads and one writes at a time."""

    def __init__(self) -> None:
        super().__init__(MAX_MESSAGE_BYTES)
        self._loop = asyncio.get_running_loop()
        self._unread: deque[bytes] = deque()
        self._unread_bytes = 0
        self._code: grpc.StatusCode | None = None
        self._came: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None

    async def read(self) -> Any:
        """The next message, or EOF when the server has ended well. Raises AioRpcError."""
        while not self._unread:
            if self._code is grpc.StatusCode.OK:
                return grpc.aio.EOF
            if self._code is not None:
                raise _failed(self._code)
            self._came = self._loop.create_future()
            await self._came
        message = self._unread.popleft()
        if self._unread_bytes > UNREAD_BYTES >= self._unread_bytes - len(message):
            self.transport.resume_reading()
        self._unread_bytes -= len(message)
        return message

    def write(self, message: bytes) -> Awaitable[None] | None:
        """What to await before the next one is written; None when there is no need to.

        After the end it is lost; the reader learns of that.
        """
        if self._code is not None:
            return None
        self.send(message)
        if not self.paused:
            return None
        self._room = self._loop.create_future()
        return self._room

    async def done_writing(self) -> None:
        if not self.transport.is_closing():
            self.transport.write_eof()

    def cancel(self) -> None:
        self._end(grpc.StatusCode.CANCELLED)
        self.transport.abort()

    def frame(self, flags: int, content: bytes) -> None:
        if flags == TRAILERS:
            self._end(code_of(content))
            self.transport.close()
            return
        self._unread.append(content)
        if self._unread_bytes <= UNREAD_BYTES < self._unread_bytes + len(content):
            self.transport.pause_reading()
        self._unread_bytes += len(content)
        self._wake(self._came)

    def broken(self, reason: str) -> None:
        self._end(grpc.StatusCode.INTERNAL)
        self.transport.abort()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._wake(self._room)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(grpc.StatusCode.UNAVAILABLE)

    def _end(self, code: grpc.StatusCode) -> None:
        if self._code is None:
            self._code = code
        self._wake(self._came)
        self._wake(self._room)

    @staticmethod
    def _wake(waiting: asyncio.Future[None] | None) -> None:
        if waiting is not None and not waiting.done():
            waiting.set_result(None)


async def open_socket_call(path: Path) -> SocketCall | None:
    """None when nobody listens there, or nobody answers, or it is another user's."""
    loop = asyncio.get_running_loop()
    try:
        if not _ours(path):
            return None
        async with asyncio.timeout(CONNECT_SECONDS):
            _, call = await loop.create_unix_connection(SocketCall, str(path))
    except OSError:
        # TimeoutError is one.
        return None
    return call


def _ours(path: Path) -> bool:
    # Whoever makes the folder anew after it was cleaned away must not be sent this user's calls.
    return path.stat().st_uid == os.geteuid()


def _failed(code: grpc.StatusCode) -> grpc.aio.AioRpcError:
    nothing = grpc.aio.Metadata()
    return grpc.aio.AioRpcError(code, nothing, nothing, "the connection to carry calls has ended")
