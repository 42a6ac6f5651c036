"""Callers that send photographs to the vision service, by gRPC and through the gateway."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import cycle
from statistics import fmean
from typing import Any

import grpc

from mlmesh.openinference.v2 import inference_pb2 as oip
from mlmesh.v1 import vision_pb2 as pb, vision_pb2_grpc as rpc

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
