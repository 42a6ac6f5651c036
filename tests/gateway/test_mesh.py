from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from prometheus_client import CollectorRegistry

from gateway.backends import open_backends
from gateway.mesh import Mesh
from mlmesh.runtime.admission import Limits
from mlmesh.runtime.call import Call, deadline_after, request_id_of
from mlmesh.runtime.chain import Chain, Service
from mlmesh.runtime.contracts import Method, methods_of
from mlmesh.runtime.errors import ServingError, Unavailable
from mlmesh.runtime.metrics import ServerMetrics
from mlmesh.v1 import predictor_pb2 as pb
from tests.gated import GatedPredictor

CONTRACT = pb.DESCRIPTOR.services_by_name["PredictorService"]
PREDICT: Method = next(method for method in methods_of(CONTRACT) if method.name == "Predict")
ONE = pb.PredictRequest(model="one").SerializeToString()


def call(seconds: float = 5) -> Call:
    return Call(request_id_of(""), deadline_after(seconds))


@pytest.fixture(params=["local", "backend"])
async def mesh(
    request: pytest.FixtureRequest, gated: GatedPredictor, gated_port: int
) -> AsyncIterator[Mesh]:
    """The gated predictor, in the gateway itself and behind it."""
    chain = Chain([], Limits(), ServerMetrics(CollectorRegistry()))
    targets = {CONTRACT.full_name: f"127.0.0.1:{gated_port}"}
    async with open_backends(targets) as backends:
        mesh = Mesh(chain, backends)
        if request.param == "local":
            service = Service(CONTRACT, gated, {"StreamPredict": "Predict"})
            mesh.add_local(service)
        yield mesh


async def test_a_call_that_is_begun_gives_its_answer(mesh: Mesh, gated: GatedPredictor) -> None:
    gated.gate.set()

    answer = await mesh.begin(PREDICT, ONE, call())

    assert pb.PredictResponse.FromString(answer.response).label == "one"


async def test_a_failure_is_set_on_the_future(mesh: Mesh) -> None:
    begun = mesh.begin(PREDICT, b"\xff", call())

    with pytest.raises(ServingError, match="not a serialised"):
        await begun


async def test_whoever_cancels_the_future_gives_the_call_up(
    mesh: Mesh, gated: GatedPredictor
) -> None:
    begun = mesh.begin(PREDICT, ONE, call())
    await gated.has_begun()

    begun.cancel()

    await asyncio.wait_for(gated.cancelled.wait(), 5)


async def test_a_service_that_is_not_there_is_refused_at_once() -> None:
    mesh = Mesh(Chain([], Limits(), ServerMetrics(CollectorRegistry())), {})

    with pytest.raises(Unavailable, match="MLMESH_BACKENDS"):
        mesh.begin(PREDICT, ONE, call())
