"""Real servers on free ports; nothing of mlmesh is mocked."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import grpc
import pytest
from prometheus_client import CollectorRegistry

from mlmesh.inference.host import Host, open_host
from mlmesh.inference.metrics import InferenceMetrics
from mlmesh.inference.models_service import models_service
from mlmesh.runtime.admission import Limits
from mlmesh.runtime.chain import Service
from mlmesh.runtime.health import Health
from mlmesh.runtime.metrics import ServerMetrics
from mlmesh.runtime.server import running_server
from mlmesh.v1 import mesh_pb2_grpc, predictor_pb2 as pb, predictor_pb2_grpc as rpc
from predictor.service import predictor_service
from tests.gated import GatedPredictor
from tests.tiny_models import host_options, write_classifier, write_regressor

Serve = Callable[[Limits], AbstractAsyncContextManager[int]]


def pytest_collection_finish() -> None:
    """Programs look through little when they look for garbage, and so do tests that time them."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def model_root(tmp_path: Path) -> Path:
    """tiny v1.0 and v2.0 (classifier), kinds (with a category), sum (regressor)."""
    root = tmp_path / "models"
    write_classifier(root)
    write_classifier(root, version="v2.0", weights=((0, 1, 0), (1, 0, 0)))
    write_classifier(root, "kinds", categories=("plain", "striped"))
    write_regressor(root)
    return root


@pytest.fixture
async def host(model_root: Path, registry: CollectorRegistry) -> AsyncIterator[Host]:
    options = host_options(model_root, "tiny", trial=None)
    async with open_host(options, InferenceMetrics(registry)) as host:
        yield host


@pytest.fixture
async def predictor_port(host: Host, registry: CollectorRegistry) -> AsyncIterator[int]:
    """A predictor that serves `host`."""
    predictor = predictor_service(host)
    services = [predictor, models_service(host, predictor.name)]
    health = Health([predictor.name])
    metrics = ServerMetrics(registry, "tabular")
    async with running_server("127.0.0.1:0", services, metrics, health) as port:
        yield port


@pytest.fixture
async def channel(predictor_port: int) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{predictor_port}") as channel:
        yield channel


@pytest.fixture
def predictor(channel: grpc.aio.Channel) -> rpc.PredictorServiceAsyncStub:
    return rpc.PredictorServiceStub(channel)


@pytest.fixture
def mesh(channel: grpc.aio.Channel) -> mesh_pb2_grpc.MeshServiceAsyncStub:
    return mesh_pb2_grpc.MeshServiceStub(channel)


@pytest.fixture
async def gated() -> GatedPredictor:
    return GatedPredictor()


@pytest.fixture
def serve(gated: GatedPredictor, registry: CollectorRegistry) -> Serve:
    """Serves the gated predictor and gives its port."""

    @asynccontextmanager
    async def serving(limits: Limits) -> AsyncIterator[int]:
        contract = pb.DESCRIPTOR.services_by_name["PredictorService"]
        service = Service(contract, gated, {"StreamPredict": "Predict"})
        metrics = ServerMetrics(registry, "tabular")
        async with running_server(
            "127.0.0.1:0", [service], metrics, Health([]), limits=limits, drain_seconds=20
        ) as port:
            yield port

    return serving


@pytest.fixture
async def gated_port(serve: Serve) -> AsyncIterator[int]:
    async with serve(Limits()) as port:
        yield port


@pytest.fixture
async def gated_channel(gated_port: int) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{gated_port}") as channel:
        yield channel
