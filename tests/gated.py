"""A predictor that waits at a gate, to hold calls where a test wants them."""

from __future__ import annotations

import asyncio

from mlmesh.runtime.call import Call
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
