"""A few plain HTTP pages on a port and thread of their own: metrics, and the gateway's probes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from threading import BoundedSemaphore, Thread
from typing import Any

import orjson

from mlmesh.runtime.errors import NotFound, ServingError

Answer = tuple[int, str, bytes]
"""Status, content type and body."""
Page = Callable[[], Answer]


@dataclass(frozen=True, slots=True)
class AcceptPage:
    """A page in the form that the client's Accept header asks for."""

    answer: Callable[[str], Answer]


@dataclass(frozen=True, slots=True)
class ActPage:
    """A page that can also be acted on, by POST with a query, from this machine only."""

    show: Page
    act: Callable[[str], Answer]
    """Takes the query; raises ServingError."""


AnyPage = Page | AcceptPage | ActPage


def answer_of(page: AnyPage, accept: str) -> Answer:
    """What a page answers to a client with this Accept header."""
    if isinstance(page, ActPage):
        return page.show()
    return page.answer(accept) if isinstance(page, AcceptPage) else page()


MAX_CONNECTIONS = 64
"""Connections at once, a thread each; further ones are closed."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._places = BoundedSemaphore(MAX_CONNECTIONS)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is not news."""


@asynccontextmanager
async def running_pages(address: str, pages: Mapping[str, AnyPage]) -> AsyncIterator[int]:
    """Serve `pages` by their paths on `address` inside the block and yield the port.

    Raises OSError when the address cannot be had.
    """
    host, _, port = address.rpartition(":")
    try:
        server = _Server((host.strip("[]"), int(port)), _handler(pages))
    except OSError as error:
        raise OSError(f"cannot listen on {address}: {error.strerror}") from None
    thread = Thread(target=server.serve_forever, args=(0.1,), daemon=True, name="pages")
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()


def _handler(pages: Mapping[str, AnyPage]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10  # seconds that a client may take to send its request
        server_version = "mlmesh"
        sys_version = ""

        def do_GET(self) -> None:
            page = pages.get(self.path.partition("?")[0])
            accept = self.headers.get("accept", "")
            self._send(*(answer_of(page, accept) if page else _refusal(404)))

        def do_POST(self) -> None:
            path, _, query = self.path.partition("?")
            page = pages.get(path)
            # What a caller sends with it is not read, so the connection cannot go on.
            self.close_connection = True
            if not isinstance(page, ActPage):
                self._send(*_refusal(405 if page else 404))
            elif not _is_at_home(self.client_address[0], self.headers):
                self._send(*_refusal(403))
            else:
                self._send(*_acted(page, query))

        do_HEAD = do_GET  # noqa: N815 the library's name

        def send_error(self, code: int, *_: object) -> None:
            """What the library refuses: verbs without a method here, and what is no HTTP."""
            self.close_connection = True
            self._send(*_refusal(405 if code == 501 else code))

        def _send(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Probes and scrapes are not news."""

    return Handler


_REFUSALS = {
    404: ("NOT_FOUND", "there is nothing here"),
    403: ("PERMISSION_DENIED", "only from the machine that this runs on, and not from a web page"),
    405: ("UNIMPLEMENTED", "send GET or HEAD"),
}


def _acted(page: ActPage, query: str) -> Answer:
    try:
        return page.act(query)
    except ServingError as error:
        code = 404 if isinstance(error, NotFound) else 400
        return _error(code, error.code.name, error.message)


def _is_at_home(address: str, headers: Message) -> bool:
    """Whether a program of this machine asks, and no web page by way of a browser here."""
    if "origin" in headers or "sec-fetch-site" in headers:
        return False
    host = headers.get("host", "").rpartition(":")[0].strip("[]")
    return ip_address(address).is_loopback and host in ("localhost", "127.0.0.1", "::1")


def _refusal(code: int) -> tuple[int, str, bytes]:
    status, message = _REFUSALS.get(code, ("INVALID_ARGUMENT", "not a request that is taken here"))
    return _error(code, status, message)


def _error(code: int, status: str, message: str) -> Answer:
    error = {"code": code, "status": status, "message": message, "details": []}
    return code, "application/json", orjson.dumps({"error": error})
