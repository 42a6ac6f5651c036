"""Callers that send photographs to the vision service, by gRPC and through the gateway."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from statistics import fmean
from typing import Any

import grpc

from mlmesh.openinference.v2 import inference_pb2 as oip
from mlmesh.v1 import vision_pb2 as pb, vision_pb2_grpc as rpc

ROOT = Path(__file__).parents[1]
START_SECONDS = 60
STATISTICS = "/inference.GRPCInferenceService/ModelStatistics"

Ask = Callable[[bytes], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Told:
    """What callers saw."""

    per_second: float
    latency_ms: float
    """Mean."""
    answers: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Shares:
    """Parts of the mean time of a call, which add up to 1."""

    decode: float
    """From the bytes to what the model reads, waiting for a thread included."""
    queue: float
    """Waiting for a run of the model."""
    compute: float
    """The run, with all that were in it."""

    @property
    def rest(self) -> float:
        return 1 - self.decode - self.queue - self.compute


async def asked(ask: Ask, photos: Sequence[bytes], callers: int, seconds: float) -> Told:
    """Callers that each wait for their answer before they send the next photograph."""
    source = cycle(photos)
    times: list[float] = []
    answers: list[Any] = []
    began = time.perf_counter()

    async def call() -> None:
        now = time.perf_counter()
        while now - began < seconds:
            answers.append(await ask(next(source)))
            before, now = now, time.perf_counter()
            times.append(now - before)

    await asyncio.gather(*(call() for _ in range(callers)))
    took = time.perf_counter() - began
    return Told(len(times) / took, 1000 * fmean(times), answers)


class ByGrpc:
    """Asks the service itself; it also tells where the time went."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub: Any = rpc.VisionServiceStub(channel)
        self._statistics: Any = channel.unary_unary(
            STATISTICS, oip.ModelStatisticsRequest.SerializeToString,
            oip.ModelStatisticsResponse.FromString,
        )  # fmt: skip

    def way(self, model: str) -> Ask:
        asks: dict[str, Ask] = {
            "classifier": lambda photo: self._stub.Classify(pb.ClassifyRequest(image=photo)),
            "detector": lambda photo: self._stub.Detect(pb.DetectRequest(image=photo)),
            "segmenter": lambda photo: self._stub.Segment(pb.SegmentRequest(image=photo)),
        }
        return asks[model]

    async def asked(
        self, model: str, photos: Sequence[bytes], callers: int, seconds: float
    ) -> tuple[Told, Shares]:
        before = await self._waited(model)
        told = await asked(self.way(model), photos, callers, seconds)
        after = await self._waited(model)
        queue_ms = (after[0] - before[0]) / max(1, after[1] - before[1])
        whole = told.latency_ms
        return told, Shares(
            fmean(answer.decode_time_ms for answer in told.answers) / whole,
            queue_ms / whole,
            fmean(answer.inference_time_ms for answer in told.answers) / whole,
        )

    async def _waited(self, model: str) -> tuple[float, int]:
        """Milliseconds that all items have waited so far, and their number."""
        said = await self._statistics(oip.ModelStatisticsRequest(name=model))
        queues = [one.inference_stats.queue for one in said.model_stats]
        return sum(queue.ns for queue in queues) / 1e6, sum(queue.count for queue in queues)


class ByHttp:
    """Raw bodies over connections that are kept, with hardly any work on this side."""

    PATHS: Mapping[str, str] = {
        "classifier": "/classify", "detector": "/detect", "segmenter": "/segment",
    }  # fmt: skip

    def __init__(self, address: str, connections: AsyncExitStack) -> None:
        self._host, _, port = address.partition(":")
        self._port = int(port)
        self._connections = connections
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    def way(self, model: str) -> Ask:
        head = f"POST {self.PATHS[model]} HTTP/1.1\r\nhost: bench\r\ncontent-type: image/jpeg\r\n"

        async def ask(photo: bytes) -> None:
            reader, writer = self._idle.pop() if self._idle else await self._opened()
            writer.write(f"{head}content-length: {len(photo)}\r\n\r\n".encode() + photo)
            answer = (await reader.readuntil(b"\r\n\r\n")).lower()
            size = int(answer.partition(b"content-length:")[2].partition(b"\r\n")[0])
            body = await reader.readexactly(size)
            if not answer.startswith(b"http/1.1 200"):
                raise SystemExit(f"the gateway answered {body.decode()}")
            self._idle.append((reader, writer))

        return ask

    async def _opened(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(self._host, self._port, limit=2**20)
        self._connections.callback(writer.close)
        return reader, writer


@contextmanager
def running_programs(models: Path) -> Iterator[tuple[str, str]]:
    """The vision service and a gateway before it; gives where the two answer."""
    grpc_address, health, metrics, http, ops = (f"127.0.0.1:{port}" for port in _free_ports(5))
    common = {"MLMESH_LOG_LEVEL": "error"}
    service = {
        "MLMESH_MODELS": str(models), "MLMESH_PROVIDER": "cpu", "MLMESH_GRPC_ADDRESS": grpc_address,
        "MLMESH_HEALTH_ADDRESS": health, "MLMESH_METRICS_ADDRESS": metrics,
    }  # fmt: skip
    gateway = {
        "MLMESH_HTTP_ADDRESS": http,
        "MLMESH_OPS_ADDRESS": ops,
        "MLMESH_BACKENDS": f'{{"mlmesh.v1.VisionService": "{grpc_address}"}}',
    }
    processes = [
        subprocess.Popen([sys.executable, "-m", name], cwd=ROOT, env=os.environ | common | told)
        for name, told in (("vision", service), ("gateway", gateway))
    ]
    try:
        _wait_until_ready(f"http://{ops}/ready", processes)
        yield grpc_address, http
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()


def _wait_until_ready(url: str, processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """The gateway is ready once the service has answered it."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if any(process.poll() is not None for process in processes):
            raise SystemExit("a program ended; see above")
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"not ready within {START_SECONDS} s")


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports
