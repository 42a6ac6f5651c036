from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import CollectorRegistry

from mlmesh.openinference.v2 import inference_pb2 as pb
from mlmesh.runtime.chain import Service
from mlmesh.runtime.contracts import methods_of, wire_name
from mlmesh.runtime.health import Health
from mlmesh.runtime.metrics import ServerMetrics
from mlmesh.runtime.reflection import reflection_pool
from mlmesh.runtime.server import running_server
from mlmesh.v1 import predictor_pb2
from tests.gated import GatedPredictor

INFERENCE = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"]
PREDICTOR = predictor_pb2.DESCRIPTOR.services_by_name["PredictorService"]


class LiveServer:
    """Answers ServerLive, and nothing else."""

    async def ServerLive(self, request: Any, call: Any) -> pb.ServerLiveResponse:
        return pb.ServerLiveResponse(live=True)

    def __getattr__(self, name: str) -> Any:
        return self.ServerLive


@pytest.fixture
async def port(registry: CollectorRegistry) -> AsyncIterator[int]:
    gated = GatedPredictor()
    gated.gate.set()
    services = [
        Service(PREDICTOR, gated, {"StreamPredict": "Predict"}),
        Service(INFERENCE, LiveServer(), {"ModelStreamInfer": "ModelInfer"}),
    ]
    health = Health([service.name for service in services])
    async with running_server("127.0.0.1:0", services, ServerMetrics(registry), health) as port:
        await health.set_ready(True)
        yield port


def curl(*arguments: str) -> str:
    command = ["buf", "curl", "--protocol", "grpc", "--http2-prior-knowledge"]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_service_is_called_by_its_own_name_unless_its_contract_says_another() -> None:
    assert wire_name(PREDICTOR) == "mlmesh.v1.PredictorService"
    assert wire_name(INFERENCE) == "inference.GRPCInferenceService"
    for method in methods_of(INFERENCE):
        assert method.service == "inference.GRPCInferenceService"
        assert method.path == f"/inference.GRPCInferenceService/{method.name}"


async def test_others_list_and_call_services_by_the_names_on_the_wire(port: int) -> None:
    url = f"http://127.0.0.1:{port}"
    run = asyncio.to_thread

    listed = await run(curl, "--list-methods", url)
    live = await run(curl, "-d", "{}", f"{url}/inference.GRPCInferenceService/ServerLive")
    told = await run(curl, "-d", '{"model": "m"}', f"{url}/mlmesh.v1.PredictorService/Predict")

    assert "inference.GRPCInferenceService/ModelInfer\n" in listed
    assert "mlmesh.v1.PredictorService/Predict\n" in listed
    assert "openinference" not in listed
    assert json.loads(live) == {"live": True}
    assert json.loads(told)["label"] == "m"


async def test_health_knows_the_name_on_the_wire(port: int) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(
            health_pb2.HealthCheckRequest(service="inference.GRPCInferenceService")
        )

    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_what_is_shown_has_the_package_on_the_wire_throughout() -> None:
    pool = reflection_pool([PREDICTOR, INFERENCE])

    service = pool.FindServiceByName("inference.GRPCInferenceService")
    fields: Any = pool.FindMessageTypeByName("inference.ModelInferRequest").fields_by_name

    assert {method.input_type.file.package for method in service.methods} == {"inference"}
    assert fields["inputs"].message_type.full_name == (
        "inference.ModelInferRequest.InferInputTensor"
    )
    assert fields["inputs"].number == 5
    assert pool.FindMessageTypeByName("inference.ModelConfig")
    assert pool.FindMessageTypeByName("google.rpc.ErrorInfo")


def test_the_package_on_the_wire_is_left_to_others_in_this_process() -> None:
    """tritonclient registers it, and one process has one of each: so in a process without it."""
    code = (
        "from google.protobuf.descriptor_pool import Default\n"
        "from mlmesh.inference.open_inference.service import CONTRACT\n"
        "from mlmesh.runtime.reflection import reflection_pool\n"
        "reflection_pool([CONTRACT])\n"
        "try: Default().FindServiceByName('inference.GRPCInferenceService')\n"
        "except KeyError: print('left')"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "left\n"
