"""Real model services under any name, and gateways in front of several."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
from prometheus_client import CollectorRegistry

from gateway.running import RunningGateway, running_gateway
from gateway.settings import GatewaySettings
from mlmesh.inference.host import open_host
from mlmesh.inference.metrics import InferenceMetrics
from mlmesh.inference.models_service import models_service
from mlmesh.inference.open_inference.service import open_inference_service
from mlmesh.runtime.health import Health
from mlmesh.runtime.metrics import ServerMetrics
from mlmesh.runtime.server import running_server
from predictor.service import predictor_service
from tests.gateway.clients import plain_client
from tests.tiny_models import host_options

OTHER = "mlmesh.v1.OtherService"
PREDICTOR = "mlmesh.v1.PredictorService"


@asynccontextmanager
async def serving(root: Path, service: str, address: str = "127.0.0.1:0") -> AsyncIterator[int]:
    """A process that serves the models of `root` under the name of some service."""
    registry = CollectorRegistry()
    options = host_options(root, trial=None)
    async with open_host(options, InferenceMetrics(registry)) as host:
        services = [
            predictor_service(host),
            models_service(host, service),
            open_inference_service(host),
        ]
        async with running_server(
            address, services, ServerMetrics(registry), Health([]), drain_seconds=0
        ) as port:
            yield port


@asynccontextmanager
async def gateway_of(
    settings: GatewaySettings, backends: dict[str, int]
) -> AsyncIterator[tuple[RunningGateway, httpx.AsyncClient]]:
    targets = {service: f"127.0.0.1:{port}" for service, port in backends.items()}
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(
            running_gateway(settings.model_copy(update={"backends": targets}))
        )
        url = f"http://127.0.0.1:{gateway.port}"
        client = await stack.enter_async_context(plain_client(base_url=url, timeout=15))
        yield gateway, client
