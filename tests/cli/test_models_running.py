"""`mlmesh models` beside a running mesh on the same repository."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from gateway.running import running_gateway
from mlmesh.inference.host import open_host
from mlmesh.inference.metrics import InferenceMetrics
from mlmesh.inference.models_service import models_service
from mlmesh.inference.options import HostOptions
from mlmesh.registry.keys import development_key
from mlmesh.registry.pointers import Pointers, read_pointers
from mlmesh.registry.signature import trust_of
from mlmesh.runtime.health import Health
from mlmesh.runtime.metrics import ServerMetrics
from mlmesh.runtime.server import running_server
from predictor.service import predictor_service
from tests.gateway.conftest import settings_for
from tests.registration import graphs

REFUSED = 1


@pytest.fixture
async def gateway(here: Path) -> AsyncIterator[str]:
    """A running mesh on the same repository; gives the gateway's address."""
    repository = here / "var" / "models"
    development_key(here / "keys-of-nobody")
    options = HostOptions(
        roots=(here / "predictor" / "models", repository),
        default_model="shipped",
        trust=trust_of(here / "var" / "keys", "development", pinned(here)),
        trial=None,
    )
    registry = CollectorRegistry()
    async with open_host(options, InferenceMetrics(registry)) as host:
        predictor = predictor_service(host)
        services = [predictor, models_service(host, predictor.name)]
        async with (
            running_server("127.0.0.1:0", services, ServerMetrics(registry), Health([])) as port,
            running_gateway(settings_for(port, here)) as running,
        ):
            yield f"http://127.0.0.1:{running.port}"


def pinned(here: Path) -> list[str]:
    return list(json.loads((here / "predictor" / "pinned.json").read_text()).values())


async def run(gateway: str, *arguments: str | Path) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mlmesh.cli.main", "models", *arguments,
        env={**os.environ, "MLMESH_GATEWAY": gateway},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


async def test_a_running_mesh_is_told_of_every_change(gateway: str, here: Path) -> None:
    graph = graphs.network(here / "net.onnx")

    # The development key is made by this command, while the mesh runs.
    code, output, errors = await run(gateway, "register", graph)
    assert (code, f"The mesh at {gateway} has it loaded." in output) == (0, True), errors
    assert (await run(gateway, "register", graph))[0] == 0

    code, output, _ = await run(gateway, "promote", "net", "v1.0")
    assert (code, output) == (0, f"Now v1.0 is the default of net, in the mesh at {gateway}.\n")
    assert (await run(gateway, "label", "net", "canary", "v2.0"))[0] == 0
    pointers = read_pointers(here / "var" / "models", "net")
    assert (pointers.default, pointers.labels) == ("v1.0", {"canary": "v2.0"})

    code, output, _ = await run(gateway, "unload", "net", "v2.0")
    assert code == 0
    code, output, _ = await run(gateway, "list", "net")
    assert [line.split()[-1] for line in output.splitlines()[1:3]] == ["ready", "unloaded"]
    assert (await run(gateway, "load", "net", "v2.0"))[0] == 0

    code, output, _ = await run(gateway, "remove", "net", "v2.0", "--yes")
    assert (code, "does not serve it any more" in output) == (0, True)
    assert not (here / "var" / "models" / "net" / "v2.0").exists()


async def test_what_a_running_mesh_refuses_is_not_done(gateway: str, here: Path) -> None:
    graph = graphs.network(here / "net.onnx")
    assert (await run(gateway, "register", graph, "--no-load"))[0] == 0

    code, _, errors = await run(gateway, "promote", "net", "v1.0")

    assert code == REFUSED
    assert errors.startswith("mlmesh: ")
    assert read_pointers(here / "var" / "models", "net") == Pointers()
    assert (await run(gateway, "promote", "net", "v1.0", "--no-load"))[0] == 0
    assert read_pointers(here / "var" / "models", "net").default == "v1.0"
