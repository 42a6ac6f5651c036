"""The HTTP server in front of the application."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from typing import Any

import uvicorn

from gateway.connection import connection_with
from gateway.protocol import ProtocolLimits, protocol_with
from gateway.shortcut import Shortcut
from gateway.socket_protocol import socket_protocol_with

BACKLOG = 2048


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the program's: it serves on for a while before it stops."""
        yield


@asynccontextmanager
async def running_front(
    app: Any,
    address: str | socket.socket,
    *,
    shortcut: Shortcut | None,
    limits: ProtocolLimits,
    max_frame_bytes: int,
    ping_seconds: float,
    keep_alive_seconds: int,
    drain_seconds: float,
) -> AsyncIterator[int]:
    """Serve `app` on `address` inside the block and yield the port; let requests end after it.

    address: a socket is one that listens already. shortcut: what takes plain requests past `app`.
    Raises OSError when the address cannot be had.
    """
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    config = uvicorn.Config(
        app,
        http=connection_with(limits, shortcut) if shortcut else protocol_with(limits),
        ws=socket_protocol_with(limits.answer_seconds),
        ws_max_size=max_frame_bytes,
        ws_ping_interval=ping_seconds,
        ws_ping_timeout=ping_seconds,
        # It would be unpacked on the loop.
        ws_per_message_deflate=False,
        lifespan="off",
        loop="none",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=keep_alive_seconds,
        timeout_graceful_shutdown=max(1, round(drain_seconds)),
    )
    server = _Server(config)
    with (
        nullcontext(address)
        if isinstance(address, socket.socket)
        else listening(address) as listener
    ):
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await serving


@contextmanager
def listening(address: str, *, shared: bool = False, first: bool = True) -> Iterator[socket.socket]:
    """A socket that listens inside the block; raises OSError when the address cannot be had.

    shared: further sockets may listen there, and each gets its part of the connections. first:
    nobody else may be there yet.
    """
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener, socket.socket(family) as lone:
        for one in (listener, lone):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            if shared and first:
                # Who shares would be let in beside any other gateway that does.
                lone.bind((host, int(port)))
                lone.close()
            if shared:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listener.bind((host, int(port)))
            listener.listen(BACKLOG)
        except OSError as error:
            raise OSError(f"cannot listen on {address}: {error.strerror}") from None
        listener.setblocking(False)
        yield listener
