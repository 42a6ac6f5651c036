"""A predictor in a process of its own that writes down every call that it begins.

Takes the file to write to, the seconds that a call takes and a port, and in CARRY_FOLDER where it
listens past gRPC; prints its port.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from prometheus_client import CollectorRegistry

from mlmesh.runtime.call import Call
from mlmesh.runtime.chain import Service
from mlmesh.runtime.health import Health
from mlmesh.runtime.metrics import ServerMetrics
from mlmesh.runtime.server import running_server
from mlmesh.runtime.shutdown import shutdown_on_signals
from mlmesh.v1 import predictor_pb2 as pb


class CountingPredictor:
    def __init__(self, book: Path, seconds: float) -> None:
        self._book = book
        self._seconds = seconds

    async def Predict(self, request: pb.PredictRequest, call: Call) -> pb.PredictResponse:
        with self._book.open("a") as book:
            book.write(f"{request.model}\n")
        await asyncio.sleep(self._seconds)
        return pb.PredictResponse(label=request.model)

    async def BatchPredict(
        self, request: pb.BatchPredictRequest, call: Call
    ) -> pb.BatchPredictResponse:
        return pb.BatchPredictResponse()

    async def Explain(self, request: pb.ExplainRequest, call: Call) -> pb.ExplainResponse:
        return pb.ExplainResponse()


async def main(book: str, seconds: str, port: str) -> None:
    contract = pb.DESCRIPTOR.services_by_name["PredictorService"]
    servicer = CountingPredictor(Path(book), float(seconds))
    service = Service(contract, servicer, {"StreamPredict": "Predict"})
    metrics = ServerMetrics(CollectorRegistry())
    with shutdown_on_signals() as shutdown:
        async with running_server(
            f"127.0.0.1:{port}",
            [service],
            metrics,
            Health([]),
            carry_folder=os.environ["CARRY_FOLDER"],
        ) as bound:
            print(bound, flush=True)
            await shutdown.requested()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
