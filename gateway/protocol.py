"""HTTP/1.1 as uvicorn reads it, with bounds on what comes before the body and on how long an answer
waits to be taken, and our own refusals."""

from __future__ import annotations

import re
from asyncio import TimerHandle, Transport
from dataclasses import dataclass
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.response import failure
from mlmesh.runtime.errors import DeadlineExceeded, InvalidInput, ServingError, TooLarge

HEAD_ENDS = b"\r\n\r\n"
_UPGRADE = re.compile(rb"\r\nupgrade[ \t]*:[^\r\n]*", re.IGNORECASE)
_OTHER_UPGRADE = re.compile(
    rb"\r\nupgrade[ \t]*:(?![ \t]*websocket[ \t]*\r\n)[^\r\n]*(?=\r\n)", re.IGNORECASE
)
_TO_SOCKET = re.compile(rb"\r\nupgrade[ \t]*:[ \t]*websocket[ \t]*(?:\r\n|$)", re.IGNORECASE)
_SOCKET_KEY = re.compile(rb"\r\nsec-websocket-key[ \t]*:", re.IGNORECASE)
_PHRASES = {400: b"Bad Request", 408: b"Request Timeout", 431: b"Request Header Fields Too Large"}


class HeadTooLarge(TooLarge):
    reason = "HEADERS_TOO_LARGE"


class HeadTooSlow(DeadlineExceeded):
    reason = "REQUEST_TIMEOUT"


@dataclass(frozen=True, slots=True)
class ProtocolLimits:
    """Of one connection."""

    head_size: int = 65_536
    """Bytes of the request line and the headers together."""
    head_seconds: float = 10.0
    """For these, from the opening of the connection, or the first byte of a later request."""
    answer_seconds: float = 120.0
    """For the client to take an answer that is larger than what the system keeps for it."""


class Protocol(HttpToolsProtocol):
    """One connection."""

    limits: ClassVar[ProtocolLimits] = ProtocolLimits()

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._reading_head = True
        self._head_size = 0
        self._head_timer: TimerHandle | None = None
        self._answer_timer: TimerHandle | None = None
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        if self._reading_head:
            head, end, rest = data.partition(HEAD_ENDS)
            self._head_size += len(head)
            if self._head_size > self.limits.head_size:
                size = self.limits.head_size
                self._refuse(HeadTooLarge(f"headers: larger than {size} bytes, the most taken"))
                return
            if not end:
                self._expect_head()
            # An offer to upgrade may be ignored, but the parser would stop reading at one.
            whole = bool(end) and self._head_size == len(head)
            data = _without_upgrade(head, whole=whole) + end + rest
        super().data_received(data)

    def _should_upgrade(self) -> bool:
        """For exactly the handshake of a WebSocket, when no other request is under way."""
        return (
            (self.cycle is None or self.cycle.response_complete)
            and not self.pipeline
            and self.parser.get_method() == b"GET"
            and self.parser.get_http_version() == "1.1"
            and self.url.isascii()
            and super()._should_upgrade()
        )

    def _unsupported_upgrade_warning(self) -> None:
        """Clients could fill the log with it."""

    def handle_websocket_upgrade(self) -> None:
        self._stop_timer()
        super().handle_websocket_upgrade()

    def on_headers_complete(self) -> None:
        self.head_is_complete()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self.message_is_complete()
        super().on_message_complete()

    def head_is_complete(self) -> None:
        self._reading_head = False
        self._head_size = 0
        self._stop_timer()

    def message_is_complete(self) -> None:
        self._reading_head = True

    def pause_writing(self) -> None:
        super().pause_writing()
        # Whoever takes no answers would have as many of them kept as he likes.
        seconds = self.limits.answer_seconds
        self._answer_timer = self.loop.call_later(seconds, self.transport.abort)

    def resume_writing(self) -> None:
        self._stop_answer_timer()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._stop_answer_timer()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        self._refuse(InvalidInput("request", "not valid HTTP/1.1"))

    def _expect_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.limits.head_seconds, self._give_up)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_answer_timer(self) -> None:
        if self._answer_timer is not None:
            self._answer_timer.cancel()
            self._answer_timer = None

    def _give_up(self) -> None:
        if self._head_size:
            seconds = self.limits.head_seconds
            self._refuse(HeadTooSlow(f"headers: they did not arrive within {seconds:g} s"))
        else:
            self.transport.close()

    def _refuse(self, error: ServingError) -> None:
        """Answer and close: what follows on this connection cannot be told apart."""
        if self.transport.is_closing():
            return
        response = failure(error)
        lines = [
            b"HTTP/1.1 %d %s" % (response.status, _PHRASES[response.status]),
            b"content-length: %d" % len(response.body),
            b"connection: close",
            *(b"%s: %s" % header for header in response.headers),
        ]
        self.transport.write(b"\r\n".join(lines) + HEAD_ENDS + response.body)
        self.transport.close()


def _without_upgrade(head: bytes, *, whole: bool) -> bytes:
    """A head, or a part of one, without what would upgrade it to anything but a WebSocket."""
    if not whole:
        return _OTHER_UPGRADE.sub(b"", head)
    opens = head.startswith(b"GET ") and _TO_SOCKET.search(head) and _SOCKET_KEY.search(head)
    return head if opens else _UPGRADE.sub(b"", head)


def protocol_with(limits: ProtocolLimits) -> type[Protocol]:
    """The protocol with limits of its own, as a class, for uvicorn makes the objects."""
    return type("LimitedProtocol", (Protocol,), {"limits": limits})
