"""Sends the answers of a streaming method as the body of one HTTP answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

from google.rpc import status_pb2

from gateway.beside import beside
from gateway.compression import VARY, Packing
from gateway.request import Send
from gateway.response import leaving
from gateway.stream_form import EVENTS, StreamForm
from mlmesh.runtime.errors import ServingError
from mlmesh.runtime.instruments import Value

LAST_SECONDS = 0.5
"""For the last words of a stream that is cut when the gateway leaves."""


class AnswerStream:
    """Every message is on its way before the next one is asked for."""

    def __init__(
        self,
        send: Send,
        form: StreamForm,
        packing: Packing | None,
        request_id: str,
        heartbeat_seconds: float,
        sent: Value,
    ) -> None:
        self.started = False
        self._send = send
        self._form = form
        self._packing = packing
        self._packer = packing.stream() if packing else None
        self._request_id = request_id
        self._heartbeat_seconds = heartbeat_seconds
        self._sent = sent

    async def send_all(
        self, answers: AsyncIterator[bytes], write: Callable[[bytes], bytes]
    ) -> None:
        """Raises ServingError for a failure before anything was sent; a later one is sent."""
        try:
            while (answer := await self._next(answers)) is not None:
                await self._put(self._form.message(await beside(answer, write, answer)))
                self._sent.add()
        except ServingError as error:
            if not self.started:
                raise
            await self._end(error.status())
        except asyncio.CancelledError:
            if self.started:
                with suppress(TimeoutError):
                    async with asyncio.timeout(LAST_SECONDS):
                        await self._end(leaving().status())
            raise
        else:
            await self._end(None)

    async def _next(self, answers: AsyncIterator[bytes]) -> bytes | None:
        if not self._form.heartbeat:
            return await anext(answers, None)
        waiting = asyncio.ensure_future(anext(answers, None))
        try:
            while not (await asyncio.wait({waiting}, timeout=self._heartbeat_seconds))[0]:
                await self._put(self._form.heartbeat)
            return waiting.result()
        finally:
            if not waiting.done():
                waiting.cancel()
                with suppress(asyncio.CancelledError, ServingError):
                    await waiting

    async def _put(self, content: bytes) -> None:
        await self._start()
        if self._packer is not None:
            content = await beside(content, self._packer.message, content)
        await self._send({"type": "http.response.body", "body": content, "more_body": True})

    async def _end(self, failed: status_pb2.Status | None) -> None:
        await self._start()
        content = self._form.end(failed)
        if self._packer is not None:
            content = (self._packer.message(content) if content else b"") + self._packer.end()
        await self._send({"type": "http.response.body", "body": content})

    async def _start(self) -> None:
        if self.started:
            return
        self.started = True
        headers = [
            (b"content-type", self._form.media_type.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"x-request-id", self._request_id.encode()),
            *VARY,
        ]
        if self._packing is not None:
            headers += self._packing.headers
        if self._form.media_type == EVENTS:
            # Proxies would keep events back until there are enough to be worth a packet.
            headers += [(b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})
