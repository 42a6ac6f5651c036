"""One WebSocket: every frame of the client is a message of a stream, every answer is a frame.

An empty text frame says that no more will come. A failure is told in a last text frame, the status
as JSON, and by the code with which the socket is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass

import orjson

from gateway.beside import beside
from gateway.mesh import Mesh
from gateway.request import Disconnected, Receive, Send
from gateway.routes import Match
from gateway.socket_form import TEXT, Event, SocketForm, content_of
from gateway.socket_protocol import LEAVING
from gateway.status import error_body
from mlmesh.runtime.admission import Share
from mlmesh.runtime.call import Call
from mlmesh.runtime.errors import DeadlineExceeded, InvalidInput, ServingError, TooLarge
from mlmesh.runtime.metrics import StreamMetrics

NORMAL = 1000
GOING_AWAY = 1001
ERRORS = 4000
"""A failed stream is closed with its gRPC code above this."""
REASON_BYTES = 123
"""What a frame that closes has room for."""


class IdleSocket(DeadlineExceeded):
    reason = "SOCKET_IDLE"


@dataclass(frozen=True, slots=True)
class SocketLimits:
    sockets: int = 256
    messages: int = 1_000_000
    """Of the client, in one socket."""
    idle_seconds: float = 300.0
    """Without a message either way."""
    origins: tuple[str, ...] = ()


class Socket:
    """form: None when the first frame decides. share: holds what waits to be sent on."""

    def __init__(
        self,
        match: Match,
        query: bytes,
        form: SocketForm | None,
        receive: Receive,
        send: Send,
        share: Share,
        limits: SocketLimits,
        counts: StreamMetrics,
    ) -> None:
        self._match = match
        self._query = query
        self._form = form
        self._receive = receive
        self._send = send
        self._share = share
        self._limits = limits
        self._counts = counts
        # One, so that a client is read from as fast as the backend reads.
        self._frames: asyncio.Queue[Event | None] = asyncio.Queue(1)
        self._ended = False
        self._refused: ServingError | None = None
        self._leaving = False
        self._gone = False
        self._sending = False
        self._touched = 0.0

    async def serve(self, mesh: Mesh, call: Call) -> ServingError | None:
        """Until the stream ends; gives its failure, which the client has been told.

        Raises Disconnected.
        """
        working = asyncio.current_task()
        assert working is not None
        reading = asyncio.create_task(self._read(working))
        try:
            failed = await self._exchange(mesh, call) or self._refused
            await self._close(failed)
        except OSError:
            raise Disconnected from None
        except asyncio.CancelledError:
            if self._gone:
                working.uncancel()
                raise Disconnected from None
            # The time to drain is over.
            await self._send({"type": "websocket.close", "code": GOING_AWAY})
            raise
        finally:
            reading.cancel()
        return failed

    async def _exchange(self, mesh: Mesh, call: Call) -> ServingError | None:
        binding = self._match.binding
        try:
            async with aclosing(mesh.stream(binding.method, self._requests(), call)) as answers:
                async for answer in answers:
                    form = self._form or TEXT
                    content = await beside(answer, form.write, binding, answer)
                    self._sending = True
                    await self._send(form.event(content))
                    self._sending = False
                    self._counts.sent.add()
                    self._touched = asyncio.get_running_loop().time()
        except ServingError as error:
            return self._refused or error
        return None

    async def _read(self, working: asyncio.Task[object]) -> None:
        """Take what the client sends, until it goes."""
        self._touched = asyncio.get_running_loop().time()
        count = 0
        while True:
            event = await self._next()
            if event is None:
                seconds = self._limits.idle_seconds
                await self._end(IdleSocket(f"socket: no message within {seconds:g} s"))
            elif event["type"] == "websocket.disconnect":
                self._gone = True
                working.cancel()
                return
            elif event["type"] == LEAVING:
                self._leaving = True
                await self._end(None)
            elif event.get("text") == "":
                await self._end(None)
            elif not self._ended:
                count += 1
                if count > self._limits.messages:
                    most = self._limits.messages
                    await self._end(TooLarge(f"messages: at most {most} in one socket"))
                else:
                    await self._frames.put(event)

    async def _next(self) -> Event | None:
        """What comes next; None when nothing has come or gone for too long."""
        loop = asyncio.get_running_loop()
        while True:
            due = None if self._ended else self._touched + self._limits.idle_seconds
            try:
                async with asyncio.timeout_at(due):
                    event = await self._receive()
            except TimeoutError:
                if self._sending:
                    # How long a client may take to read is the connection's to say.
                    self._touched = loop.time()
                if loop.time() < self._touched + self._limits.idle_seconds:
                    continue
                return None
            self._touched = loop.time()
            return event

    async def _end(self, refused: ServingError | None) -> None:
        """Nothing more is sent on; what has been is still answered."""
        if not self._ended:
            self._ended = True
            self._refused = refused
            await self._frames.put(None)

    async def _requests(self) -> AsyncIterator[bytes]:
        while (event := await self._frames.get()) is not None:
            try:
                form, content = content_of(event)
                self._share.grow(len(content))
                sent = await self._read_frame(form, content)
            except ServingError as error:
                self._ended, self._refused = True, error
                return
            self._counts.received.add()
            yield sent
            self._share.shrink(len(content))

    async def _read_frame(self, form: SocketForm, content: bytes) -> bytes:
        self._form = self._form or form
        if form is not self._form:
            kind = "binary" if self._form.binary else "text"
            raise InvalidInput("frame", f"this socket takes {kind} frames")
        return await beside(content, form.read, self._match, self._query, content)

    async def _close(self, failed: ServingError | None) -> None:
        if failed is None:
            code = GOING_AWAY if self._leaving else NORMAL
            await self._send({"type": "websocket.close", "code": code})
            return
        status = failed.status()
        await self._send(TEXT.event(orjson.dumps(error_body(status))))
        reason = status.message.encode()[:REASON_BYTES].decode(errors="ignore")
        closing = {"type": "websocket.close", "code": ERRORS + status.code, "reason": reason}
        await self._send(closing)
