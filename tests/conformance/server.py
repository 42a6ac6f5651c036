"""The servers that the suite runs against: ours, in this process or others, or a stranger's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry

from gateway.running import running_gateway
from gateway.settings import GatewaySettings
from mlmesh.runtime.health import Health
from mlmesh.runtime.metrics import ServerMetrics
from mlmesh.runtime.server import running_server
from predictor.__main__ import open_services
from predictor.settings import PredictorSettings
from tests.conformance.loop_thread import LoopThread
from tests.conformance.repository import DEFAULT_MODEL, KEYS_FOLDER, MODELS_FOLDER
from tests.end_to_end.conftest import start_mesh

START_SECONDS = 60.0
MAX_BATCH = 32
"""Small enough for a request to have more rows."""
MAX_BODY_BYTES = 64 * 2**20
PREDICTOR = "mlmesh.v1.PredictorService"


@dataclass(frozen=True, slots=True)
class Server:
    """Where a server answers, as host:port; empty where it does not."""

    grpc: str
    http: str
    loop: LoopThread | None = None
    """The loop that it runs on, if that is one of this process."""


@contextmanager
def in_this_process(repository: Path, folder: Path) -> Iterator[Server]:
    """The predictor and the gateway on one loop. folder: for what they write."""
    with LoopThread() as loop, loop.inside(_mesh(repository, folder)) as (grpc_port, http_port):
        yield Server(f"127.0.0.1:{grpc_port}", f"127.0.0.1:{http_port}", loop)


@contextmanager
def in_other_processes(repository: Path, folder: Path) -> Iterator[Server]:
    """`mlmesh up` in `folder`; it must end well."""
    mesh = start_mesh(
        folder,
        {
            "MLMESH_MODELS": str(repository / MODELS_FOLDER),
            "MLMESH_KEYS": str(repository / KEYS_FOLDER),
            "MLMESH_DEFAULT_MODEL": DEFAULT_MODEL,
            "MLMESH_MAX_BATCH": str(MAX_BATCH),
            "MLMESH_MAX_BODY_BYTES": str(MAX_BODY_BYTES),
            "MLMESH_LAME_DUCK_SECONDS": "0",
        },
    )
    yield Server(f"127.0.0.1:{mesh.grpc_port}", f"127.0.0.1:{mesh.http_port}")
    assert mesh.stop() == 0, (mesh.folder / "mesh.log").read_text()


@asynccontextmanager
async def _mesh(repository: Path, folder: Path) -> AsyncIterator[tuple[int, int]]:
    """Ports of gRPC and HTTP."""
    settings = PredictorSettings(
        models=repository / MODELS_FOLDER,
        repository=folder / "added",
        keys=repository / KEYS_FOLDER,
        default_model=DEFAULT_MODEL,
        max_batch=MAX_BATCH,
    )
    registry, health = CollectorRegistry(), Health([])
    async with AsyncExitStack() as stack:
        services = await stack.enter_async_context(open_services(settings, registry, health))
        port = await stack.enter_async_context(
            running_server("127.0.0.1:0", services, ServerMetrics(registry), health)
        )
        await health.set_ready(True)
        gateway = await stack.enter_async_context(
            running_gateway(
                GatewaySettings(
                    http_address="127.0.0.1:0",
                    ops_address="127.0.0.1:0",
                    backends={PREDICTOR: f"127.0.0.1:{port}"},
                    input_log=folder / "inputs.jsonl",
                    max_body_bytes=MAX_BODY_BYTES,
                )
            )
        )
        await asyncio.wait_for(gateway.probes.directory.complete.wait(), START_SECONDS)
        yield port, gateway.port
