"""A real server of tiny models, asked in the protocol's words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from prometheus_client import CollectorRegistry

from mlmesh.inference.host import Host, open_host
from mlmesh.inference.metrics import InferenceMetrics
from mlmesh.inference.open_inference.service import open_inference_service
from mlmesh.runtime.health import Health
from mlmesh.runtime.metrics import ServerMetrics
from mlmesh.runtime.server import running_server
from tests.inference.open_inference.client import Client
from tests.inference.open_inference.tensor_models import write_loop, write_mirrors
from tests.tiny_models import host_options, write_classifier


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """tiny v1.0 and v2.0 (classifier), slow, and the mirrors."""
    root = tmp_path_factory.mktemp("models")
    write_classifier(root)
    write_classifier(root, version="v2.0", weights=((0, 1, 0), (1, 0, 0)))
    write_loop(root)
    write_mirrors(root)
    return root


@pytest.fixture
async def tensor_host(repository: Path, registry: CollectorRegistry) -> AsyncIterator[Host]:
    async with open_host(host_options(repository, trial=None), InferenceMetrics(registry)) as host:
        yield host


@pytest.fixture
async def port(tensor_host: Host, registry: CollectorRegistry) -> AsyncIterator[int]:
    service = open_inference_service(tensor_host)
    metrics = ServerMetrics(registry, "tabular")
    async with running_server("127.0.0.1:0", [service], metrics, Health([service.name])) as port:
        yield port


@pytest.fixture
async def client(port: int) -> AsyncIterator[Client]:
    async with grpc.aio.insecure_channel(
        f"127.0.0.1:{port}", options=[("grpc.max_receive_message_length", -1)]
    ) as channel:
        yield Client(channel)
