"""A server whose predictor waits at a gate, to hold calls where a test wants them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import grpc
import pytest
from prometheus_client import CollectorRegistry

from mlmesh.runtime.call import Call
from mlmesh.runtime.chain import Limits, Service
from mlmesh.runtime.health import Health
from mlmesh.runtime.metrics import ServerMetrics
from mlmesh.runtime.server import running_server
from mlmesh.v1 import predictor_pb2 as pb


class GatedPredictor:
    """Answers Predict once the gate is open; a model named "broken" breaks."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.began: list[Call] = []
        self._begun = asyncio.Semaphore(0)
        self.cancelled = asyncio.Event()

    async def has_begun(self, calls: int = 1) -> None:
        """Come back when so many more calls have reached the servicer."""
        for _ in range(calls):
            await asyncio.wait_for(self._begun.acquire(), 10)

    async def Predict(self, request: pb.PredictRequest, call: Call) -> pb.PredictResponse:
        self.began.append(call)
        self._begun.release()
        if request.model == "broken":
            raise RuntimeError("the secret is 42")
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return pb.PredictResponse(label=request.model, request_id=call.request_id)

    async def BatchPredict(
        self, request: pb.BatchPredictRequest, call: Call
    ) -> pb.BatchPredictResponse:
        return pb.BatchPredictResponse()

    async def Explain(self, request: pb.ExplainRequest, call: Call) -> pb.ExplainResponse:
        return pb.ExplainResponse()


@pytest.fixture
async def gated() -> GatedPredictor:
    return GatedPredictor()


Serve = Callable[[Limits], AbstractAsyncContextManager[grpc.aio.Channel]]


@pytest.fixture
def serve(gated: GatedPredictor, registry: CollectorRegistry) -> Serve:
    """Serves the gated predictor and gives a channel to it."""

    @asynccontextmanager
    async def serving(limits: Limits) -> AsyncIterator[grpc.aio.Channel]:
        contract = pb.DESCRIPTOR.services_by_name["PredictorService"]
        service = Service(contract, gated, {"StreamPredict": "Predict"})
        metrics = ServerMetrics(registry, "tabular")
        async with (
            running_server(
                "127.0.0.1:0", [service], metrics, Health([]), limits=limits, drain_seconds=0.2
            ) as port,
            grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
        ):
            yield channel

    return serving


@pytest.fixture
async def gated_channel(serve: Serve) -> AsyncIterator[grpc.aio.Channel]:
    async with serve(Limits()) as channel:
        yield channel
