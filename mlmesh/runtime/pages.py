"""A few plain HTTP pages on a port and thread of their own: metrics, and the gateway's probes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

Page = Callable[[], tuple[int, str, bytes]]
"""Gives the status, the content type and the body."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


@asynccontextmanager
async def running_pages(address: str, pages: Mapping[str, Page]) -> AsyncIterator[int]:
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


def _handler(pages: Mapping[str, Page]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10  # seconds that a client may take to send its request
        server_version = "mlmesh"
        sys_version = ""

        def do_GET(self) -> None:
            page = pages.get(self.path.partition("?")[0])
            status, kind, body = page() if page else (404, "text/plain", b"not found\n")
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 the library's name

        def log_message(self, *_: object) -> None:
            """Probes and scrapes are not news."""

    return Handler
