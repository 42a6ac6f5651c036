"""Health for Kubernetes, on a plaintext port and thread of its own; it answers under any load."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

LIVENESS = "liveness"
READINESS = "readiness"
SERVICE = health.SERVICE_NAME
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
BEAT_SECONDS = 1.0


class Health:
    """What probes are told: `""`, liveness, readiness and every service by its full name.

    Liveness says that the event loop turns. The others say that the models are warm and the process
    is not about to leave.
    """

    def __init__(self, services: Sequence[str], *, stuck_seconds: float = 30.0) -> None:
        self._ready_names = ["", READINESS, *services]
        self._stuck_seconds = stuck_seconds
        self._servicer = health.HealthServicer(experimental_non_blocking=True)
        self._loop_servicers: list[Any] = []
        self._statuses: dict[str, int] = {}
        self._beat = time.monotonic()
        self._alive = True
        self._put(LIVENESS, SERVING)
        for name in self._ready_names:
            self._put(name, NOT_SERVING)

    @property
    def ready(self) -> bool:
        """What READINESS says."""
        return bool(self._statuses[READINESS] == SERVING)

    async def set_ready(self, ready: bool) -> None:
        for name in self._ready_names:
            self._put(name, SERVING if ready else NOT_SERVING)
        for servicer in self._loop_servicers:
            for name, status in self._statuses.items():
                await servicer.set(name, status)

    def for_loop(self) -> Any:
        """A servicer of the same statuses for a server on the event loop."""
        servicer = health.aio.HealthServicer()
        # Its own setter is a coroutine; nobody watches yet, so filling its table is enough.
        servicer._server_status = dict(self._statuses)
        self._loop_servicers.append(servicer)
        return servicer

    def register(self, server: grpc.Server) -> None:
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    async def beat(self) -> None:
        """Show for ever that the event loop turns."""
        while True:
            self._beat = time.monotonic()
            await asyncio.sleep(BEAT_SECONDS)

    def look(self) -> None:
        """Set liveness by the age of the last beat."""
        alive = time.monotonic() - self._beat < self._stuck_seconds
        if alive != self._alive:
            self._alive = alive
            self._put(LIVENESS, SERVING if alive else NOT_SERVING)

    def _put(self, name: str, status: int) -> None:
        self._statuses[name] = status
        self._servicer.set(name, status)


@asynccontextmanager
async def running_health(address: str, state: Health) -> AsyncIterator[int]:
    """Answer probes on `address` inside the block and yield the port.

    Raises OSError when the address cannot be had.
    """
    server = grpc.server(
        ThreadPoolExecutor(4, thread_name_prefix="health"), options=[("grpc.so_reuseport", 0)]
    )
    state.register(server)
    try:
        port = server.add_insecure_port(address)
    except RuntimeError:
        raise OSError(f"cannot listen on {address}: is the port in use?") from None
    server.start()
    stopped = threading.Event()
    watch = threading.Thread(target=_watch, args=(state, stopped), daemon=True, name="liveness")
    watch.start()
    beating = asyncio.create_task(state.beat())
    try:
        yield port
    finally:
        beating.cancel()
        with suppress(asyncio.CancelledError):
            await beating
        stopped.set()
        await asyncio.to_thread(server.stop(grace=0.2).wait)
        await asyncio.to_thread(watch.join)


def _watch(state: Health, stopped: threading.Event) -> None:
    while not stopped.wait(BEAT_SECONDS):
        state.look()
