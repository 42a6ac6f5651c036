"""How to tell that a program is ready to serve."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

TIMEOUT_SECONDS = 2.0
PAUSE_SECONDS = 0.05
READINESS = "readiness"


class Probe(Protocol):
    async def ready(self) -> None:
        """Return once the program is ready, however long that takes."""


@dataclass(frozen=True, slots=True)
class GrpcProbe:
    """A model service is ready when its gRPC health service says so."""

    target: str

    async def ready(self) -> None:
        # Imported here because the programs should be starting meanwhile.
        import grpc
        from grpc_health.v1 import health_pb2 as pb, health_pb2_grpc as rpc

        options = [
            # Loopback must not go by way of the user's web proxy.
            ("grpc.enable_http_proxy", 0),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 250),
        ]
        request = pb.HealthCheckRequest(service=READINESS)
        async with grpc.aio.insecure_channel(self.target, options) as channel:
            health = rpc.HealthStub(channel)
            while True:
                try:
                    reply = await health.Check(request, timeout=TIMEOUT_SECONDS)
                    if reply.status == pb.HealthCheckResponse.SERVING:
                        return
                except grpc.aio.AioRpcError:
                    pass  # Not listening yet.
                await asyncio.sleep(PAUSE_SECONDS)


@dataclass(frozen=True, slots=True)
class HttpProbe:
    """The gateway is ready when `GET /ready` answers 200."""

    host: str
    port: int

    async def ready(self) -> None:
        while True:
            if await self._answers():
                return
            await asyncio.sleep(PAUSE_SECONDS)

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return b" 200 " in await self._status_line()
        except (OSError, TimeoutError, ValueError):
            return False

    async def _status_line(self) -> bytes:
        reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            request = f"GET /ready HTTP/1.1\r\nHost: {self.host}\r\nConnection: close\r\n\r\n"
            writer.write(request.encode())
            return await reader.readline()
        finally:
            writer.close()
