from __future__ import annotations

import httpx

from gateway.running import RunningGateway
from tests.gateway.open_inference.echo import EchoService


async def test_the_servers_metadata_are_those_of_all_services(v2: httpx.AsyncClient) -> None:
    response = await v2.get("")

    answer = response.json()
    assert response.status_code == 200
    assert answer["name"] == "mlmesh"
    assert answer["version"]
    extensions = answer["extensions"]
    assert len(set(extensions)) == len(extensions)
    assert {"model_repository", "binary_tensor_data", "statistics", "echoes"} <= set(extensions)


async def test_the_server_is_live_and_ready(v2: httpx.AsyncClient) -> None:
    live, ready = await v2.get("/health/live"), await v2.get("/health/ready")

    assert (live.status_code, live.json()) == (200, {"live": True})
    assert (ready.status_code, ready.json()) == (200, {"ready": True})


async def test_the_server_is_unready_while_one_service_is(
    v2: httpx.AsyncClient, echo: EchoService
) -> None:
    echo.ready = False

    response = await v2.get("/health/ready")

    assert (response.status_code, response.json()) == (400, {"ready": False})


async def test_the_server_is_unready_when_it_leaves(
    v2: httpx.AsyncClient, gateway: RunningGateway
) -> None:
    gateway.probes.leaving = True

    assert (await v2.get("/health/ready")).status_code == 400
    assert (await v2.get("/health/live")).status_code == 200
