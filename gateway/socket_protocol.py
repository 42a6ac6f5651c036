"""WebSockets as uvicorn reads them, with bounds on what uvicorn leaves open."""

from __future__ import annotations

from asyncio import TimerHandle
from typing import Any, ClassVar

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

LEAVING = "websocket.leaving"
"""Type of the event that tells the application to come to an end, since the server leaves."""
MAX_FRAGMENTS = 1024
"""Frames of one message: their bytes are bounded, but empty ones would cost nothing."""


class SocketProtocol(WebSocketsSansIOProtocol):
    """One connection after its handshake has arrived."""

    answer_seconds: ClassVar[float] = 120.0
    """For the client to take what is sent, when it is more than the system keeps for it."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._answer_timer: TimerHandle | None = None
        self._heard = 0.0
        """When something came in."""

    def data_received(self, data: bytes) -> None:
        self._heard = self.loop.time()
        super().data_received(data)
        if not self.handshake_initiated and not self.transport.is_closing():
            # The handshake is handed over as a whole, so there is nothing more to wait for.
            self.transport.close()

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) >= MAX_FRAGMENTS:
            self._fail(1009, "too many fragments")
        else:
            super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        if self.curr_msg_data_type == "text":
            try:
                str(b"".join(self.frames), "utf-8")
            except UnicodeDecodeError:
                # uvicorn would log a traceback for every one of them.
                self.frames = []
                self._fail(1007, "not valid UTF-8")
                return
        super().send_receive_event_to_app()

    def pause_writing(self) -> None:
        super().pause_writing()
        # Pings are answered past the application: who takes no answers is not read from.
        self.transport.pause_reading()
        self._answer_timer = self.loop.call_later(self.answer_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        self._stop_answer_timer()
        super().resume_writing()
        if not self.read_paused:
            self.transport.resume_reading()

    async def receive(self) -> Any:
        event = await super().receive()
        if not self.writable.is_set() and not self.transport.is_closing():
            self.transport.pause_reading()
        return event

    def keepalive_timeout(self) -> None:
        # An answer to a ping stands behind messages that have not been read yet.
        if self.read_paused or self._heard > self.ping_sent_at or not self.writable.is_set():
            self.pong_timer = None
            self.pending_ping_payload = None
            self.schedule_ping()
        else:
            super().keepalive_timeout()

    def shutdown(self) -> None:
        if self.handshake_complete and not self.close_sent:
            self.stop_keepalive()
            event: Any = {"type": LEAVING}
            self.queue.put_nowait(event)
        else:
            super().shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_answer_timer()
        super().connection_lost(exc)

    def _fail(self, code: int, reason: str) -> None:
        if not self.close_sent:
            self.conn.fail(code, reason)
            self.handle_parser_exception()

    def _stop_answer_timer(self) -> None:
        if self._answer_timer is not None:
            self._answer_timer.cancel()
            self._answer_timer = None


def socket_protocol_with(answer_seconds: float) -> type[SocketProtocol]:
    """The protocol with its limit, as a class, for uvicorn makes the objects."""
    return type("LimitedSocketProtocol", (SocketProtocol,), {"answer_seconds": answer_seconds})
