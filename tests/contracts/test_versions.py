from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import grpc
import pytest
from prometheus_client import CollectorRegistry

from gateway.routes import routes_of
from mlmesh.inference.host import Host
from mlmesh.runtime.call import Call
from mlmesh.runtime.chain import Service
from mlmesh.runtime.contracts import load_contracts
from mlmesh.runtime.done import Done, GiveUp, then
from mlmesh.runtime.health import Health
from mlmesh.runtime.metrics import ServerMetrics
from mlmesh.runtime.server import running_server
from mlmesh.v1 import predictor_pb2, predictor_pb2_grpc
from predictor.service import PredictorService, predictor_service
from tests.contracts.compiled import compiled_contracts

NEXT = Path(__file__).parent / "v2"


class NextPredictor:
    """Answers mlmesh.v2 by asking the servicer of v1, as a service would while both live."""

    def __init__(self, first: PredictorService, contract: Any) -> None:
        self._first = first
        self._pb = contract

    def Predict(self, request: Any, call: Call, done: Done[Any]) -> GiveUp:
        asked = predictor_pb2.PredictRequest(model=request.model, features=request.row)
        return self._first.Predict(asked, call, then(self._answer, done))

    def _answer(self, answer: predictor_pb2.PredictResponse) -> Any:
        scores = dict(zip(answer.labels, answer.probabilities, strict=True))
        return self._pb.PredictResponse(scores=scores)


async def test_two_versions_of_a_contract_are_served_by_one_process(
    host: Host, registry: CollectorRegistry, tmp_path: Path
) -> None:
    with compiled_contracts(NEXT, tmp_path) as descriptors:
        pb: Any = importlib.import_module("mlmesh.v2.predictor_pb2")
        rpc: Any = importlib.import_module("mlmesh.v2.predictor_pb2_grpc")
        first = predictor_service(host)
        servicer = NextPredictor(PredictorService(host), pb)
        contract = pb.DESCRIPTOR.services_by_name["PredictorService"]
        services = [first, Service(contract, servicer)]
        async with (
            running_server("127.0.0.1:0", services, ServerMetrics(registry), Health([])) as port,
            grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
        ):
            old = await predictor_pb2_grpc.PredictorServiceStub(channel).Predict(
                predictor_pb2.PredictRequest(features=[1, 2])
            )
            new = await rpc.PredictorServiceStub(channel).Predict(pb.PredictRequest(row=[1, 2]))
        routes = routes_of(load_contracts([descriptors]))

    expected = dict(zip(old.labels, old.probabilities, strict=True))
    assert dict(new.scores) == pytest.approx(expected)
    assert routes.find("POST", "/v1/models/a:predict").binding.method.service.startswith(
        "mlmesh.v1"
    )
    assert routes.find("POST", "/v2/models/a:predict").binding.method.service.startswith(
        "mlmesh.v2"
    )
