"""A connection whose plain requests take the short way."""

from __future__ import annotations

import math
from asyncio import Transport
from typing import ClassVar

from gateway.exchange import Exchange
from gateway.protocol import HEAD_ENDS, Protocol, ProtocolLimits
from gateway.shortcut import Head, Shortcut


class Connection(Protocol):
    """All others are left to uvicorn, which makes tasks of the application of them."""

    shortcut: ClassVar[Shortcut]

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._exchange: Exchange | None = None
        """What is under way on the short way."""
        self._idle_since = math.inf
        """When the last answer ended, by the loop's clock; infinity during a request."""
        self._between_messages = True
        """Whether the parser has read nothing of the next request."""
        self._head_text = b""
        """The head that the parser is about to read, if all of it is here."""

    def data_received(self, data: bytes) -> None:
        if self._between_messages and self._is_free():
            text, end, body = data.partition(HEAD_ENDS)
            head = self.shortcut.heads.get(text) if end else None
            if head is not None and head.length == len(body) and self.shortcut.has_room():
                self._answer(head, body)
                return
            self._head_text = text if end else b""
        super().data_received(data)
        self._head_text = b""
        exchange = self._exchange
        if exchange is not None and not exchange.whole:
            exchange.await_body()

    def on_message_begin(self) -> None:
        self._between_messages = False
        # The scope of ASGI is made when it turns out to be needed.
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_headers_complete(self) -> None:
        exchange = self._started()
        if exchange is None:
            self._make_scope()
            super().on_headers_complete()
        else:
            self.head_is_complete()
            self._exchange = exchange
            self.cycle = exchange  # type: ignore[assignment]

    def on_body(self, body: bytes) -> None:
        exchange = self._exchange
        if exchange is not None and self.cycle is exchange:  # type: ignore[comparison-overlap]
            exchange.take(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._between_messages = True
        exchange = self._exchange
        if exchange is not None and self.cycle is exchange:  # type: ignore[comparison-overlap]
            self.message_is_complete()
            exchange.send_on()
        else:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        if self._exchange is not None:
            self.tasks.discard(self._exchange)
            self._exchange = None
            if not self.pipeline and not self.transport.is_closing():
                self.server_state.total_requests += 1
                self.flow.resume_reading()
                self._be_idle()
                return
        self._stop_keep_alive()
        super().on_response_complete()
        self._idle_since = self.loop.time()

    def _unset_keepalive_if_required(self) -> None:
        """A timer for every request would cost more than one that finds out that it is early."""
        self._idle_since = math.inf

    def timeout_keep_alive_handler(self) -> None:
        self.timeout_keep_alive_task = None
        idle = self.loop.time() - self._idle_since
        # The clocks of timers are coarse.
        if idle >= self.timeout_keep_alive - 0.01:
            super().timeout_keep_alive_handler()
        elif idle >= 0:
            self._be_idle(idle)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._exchange is not None:
            self._exchange.release()

    def shutdown(self) -> None:
        super().shutdown()
        if self._exchange is not None:
            self._exchange.keep_alive = False
            # What is in there is cancelled when the time to drain is over.
            self.tasks.add(self._exchange)  # type: ignore[arg-type]

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_keep_alive()
        if self._exchange is not None:
            self.tasks.discard(self._exchange)
            self._exchange.abandon()
            self._exchange = None
        super().connection_lost(exc)

    def _be_idle(self, already: float = 0.0) -> None:
        """already: seconds of it that are over."""
        self._idle_since = self.loop.time() - already
        if self.timeout_keep_alive_task is None:
            seconds = self.timeout_keep_alive - already
            handler = self.timeout_keep_alive_handler
            self.timeout_keep_alive_task = self.loop.call_later(seconds, handler)

    def _stop_keep_alive(self) -> None:
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None

    def _answer(self, head: Head, body: bytes) -> None:
        """Begin with a request whose head has been seen before, past the parser."""
        self._unset_keepalive_if_required()
        self.head_is_complete()
        self.message_is_complete()
        self._exchange = exchange = Exchange(self, self.shortcut, head)
        self.cycle = exchange  # type: ignore[assignment]
        exchange.take(body)
        if not exchange.response_complete:
            exchange.send_on()

    def _started(self) -> Exchange | None:
        """The exchange for the request whose head has been read, if the short way takes it."""
        parser, text = self.parser, self._head_text
        self._head_text = b""
        # uvicorn keeps the order of what is pipelined behind another request.
        if not self._is_free() or not self.shortcut.has_room():
            return None
        if parser.get_http_version() != "1.1" or parser.should_upgrade():
            return None
        verb, headers = parser.get_method(), dict(self.headers)
        head = self.shortcut.head_of(verb, self.url, headers, parser.should_keep_alive())
        if head is None:
            return None
        if text:
            self.shortcut.learn(text, verb, head, headers)
        return Exchange(self, self.shortcut, head)

    def _is_free(self) -> bool:
        """Whether nothing is under way."""
        return self.cycle is None or self.cycle.response_complete

    def _make_scope(self) -> None:
        url, headers, expect = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expect
        self.headers.extend(headers)


def connection_with(limits: ProtocolLimits, shortcut: Shortcut) -> type[Connection]:
    """The connection with what it needs, as a class, for uvicorn makes the objects."""
    return type("ShortConnection", (Connection,), {"limits": limits, "shortcut": shortcut})
