"""A connection whose plain requests take the short way."""

from __future__ import annotations

from asyncio import Transport
from typing import ClassVar

from gateway.exchange import Exchange
from gateway.protocol import Protocol, ProtocolLimits
from gateway.shortcut import Shortcut


class Connection(Protocol):
    """All others are left to uvicorn, which makes tasks of the application of them."""

    shortcut: ClassVar[Shortcut]

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._exchange: Exchange | None = None
        """What is under way on the short way."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        exchange = self._exchange
        if exchange is not None and not exchange.whole:
            exchange.await_body()

    def on_message_begin(self) -> None:
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
        super().on_response_complete()

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
        if self._exchange is not None:
            self.tasks.discard(self._exchange)
            self._exchange.abandon()
            self._exchange = None
        super().connection_lost(exc)

    def _started(self) -> Exchange | None:
        """The exchange for the request whose head has been read, if the short way takes it."""
        # uvicorn keeps the order of what is pipelined behind another request.
        if self.cycle is not None and not self.cycle.response_complete:
            return None
        parser = self.parser
        if parser.get_http_version() != "1.1" or parser.should_upgrade():
            return None
        way = self.shortcut.way_of(parser.get_method(), self.url)
        headers = dict(self.headers)
        if way is None or not self.shortcut.takes(headers):
            return None
        call = self.shortcut.call_of(way, headers)
        if call is None:
            return None
        return Exchange(self, self.shortcut, way, call, parser.should_keep_alive())

    def _make_scope(self) -> None:
        url, headers, expect = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expect
        self.headers.extend(headers)


def connection_with(limits: ProtocolLimits, shortcut: Shortcut) -> type[Connection]:
    """The connection with what it needs, as a class, for uvicorn makes the objects."""
    return type("ShortConnection", (Connection,), {"limits": limits, "shortcut": shortcut})
