"""A real gateway in front of two services of the protocol: the predictor's models, and echoes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry

from gateway.running import RunningGateway
from gateway.settings import GatewaySettings
from mlmesh.inference.host import Host
from mlmesh.inference.models_service import models_service
from mlmesh.inference.open_inference.service import open_inference_service
from mlmesh.runtime.health import Health
from mlmesh.runtime.metrics import ServerMetrics
from mlmesh.runtime.server import running_server
from predictor.service import predictor_service
from tests.gateway.conftest import settings_for
from tests.gateway.open_inference.echo import EchoService, echo_services

ECHO = "tests.EchoService"


@pytest.fixture
async def predictor_port(host: Host, registry: CollectorRegistry) -> AsyncIterator[int]:
    predictor = predictor_service(host)
    services = [predictor, models_service(host, predictor.name), open_inference_service(host)]
    metrics = ServerMetrics(registry, "tabular")
    async with running_server("127.0.0.1:0", services, metrics, Health([])) as port:
        yield port


@pytest.fixture
async def echo() -> EchoService:
    return EchoService()


@pytest.fixture
def echo_server(echo: EchoService) -> AbstractAsyncContextManager[int]:
    metrics = ServerMetrics(CollectorRegistry(), "echo")
    return running_server("127.0.0.1:0", echo_services(echo), metrics, Health([]), drain_seconds=0)


@pytest.fixture
async def echo_port(echo_server: AbstractAsyncContextManager[int]) -> AsyncIterator[int]:
    async with echo_server as port:
        yield port


@pytest.fixture
def gateway_settings(predictor_port: int, echo_port: int, tmp_path: Path) -> GatewaySettings:
    settings = settings_for(predictor_port, tmp_path)
    return settings.model_copy(
        update={"backends": {**settings.backends, ECHO: f"127.0.0.1:{echo_port}"}}
    )


@pytest.fixture
async def v2(gateway: RunningGateway) -> AsyncIterator[httpx.AsyncClient]:
    """Sends what it is told to and no more; httpx would ask for packed answers."""
    url = f"http://127.0.0.1:{gateway.port}/v2"
    headers = {"accept-encoding": ""}
    async with httpx.AsyncClient(base_url=url, timeout=15, headers=headers) as client:
        yield client
