from __future__ import annotations

import time

import grpc
import pytest

from mlmesh.runtime.channel import connect
from mlmesh.runtime.contracts import load_contracts
from mlmesh.v1 import predictor_pb2 as pb, predictor_pb2_grpc as rpc
from tests.gated import GatedPredictor

FEATURES = pb.PredictRequest(features=[1.25, 3.5])


async def test_stubs_on_a_connection_answer_in_asyncio(predictor_port: int) -> None:
    async with connect(f"127.0.0.1:{predictor_port}") as channel:
        answer = await rpc.PredictorServiceStub(channel).Predict(FEATURES)

    assert answer.model == "tiny"


async def test_a_call_ends_at_the_deadline_of_its_contract(
    gated_port: int, gated: GatedPredictor
) -> None:
    [seconds] = [
        method.timeout
        for method in load_contracts().methods()
        if method.path == "/mlmesh.v1.PredictorService/Predict"
    ]
    began = time.monotonic()

    async with connect(f"127.0.0.1:{gated_port}") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as late:
            await rpc.PredictorServiceStub(channel).Predict(pb.PredictRequest())

    assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - began < 10 * seconds
    assert gated.began[0].remaining <= seconds
