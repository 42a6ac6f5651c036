from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from gateway.running import running_gateway
from tests.gateway.conftest import PREDICTOR, settings_for
from tests.gateway.open_inference.conftest import ECHO

REQUEST = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [1]}]}
BesideLost = Callable[[int], AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture
def beside_lost(echo_server: AbstractAsyncContextManager[int], tmp_path: Path) -> BesideLost:
    """A gateway in front of the service on a port, and of echoes that were there and are lost."""

    @asynccontextmanager
    async def running(port: int) -> AsyncIterator[httpx.AsyncClient]:
        async with AsyncExitStack() as there:
            echo_port = await there.enter_async_context(echo_server)
            backends = {PREDICTOR: f"127.0.0.1:{port}", ECHO: f"127.0.0.1:{echo_port}"}
            settings = settings_for(port, tmp_path).model_copy(update={"backends": backends})
            async with running_gateway(settings) as gateway:
                await asyncio.wait_for(gateway.probes.directory.complete.wait(), 10)
                await there.aclose()
                url = f"http://127.0.0.1:{gateway.port}/v2"
                async with httpx.AsyncClient(base_url=url, timeout=15) as client:
                    yield client

    return running


async def test_a_lost_service_takes_nothing_but_its_own_models_along(
    beside_lost: BesideLost, predictor_port: int
) -> None:
    async with beside_lost(predictor_port) as client:
        index = await client.post("/repository/index")
        statistics = await client.get("/models/stats")
        metadata = await client.get("")
        ready = await client.get("/health/ready")
        live = await client.get("/health/live")
        lost = await client.post("/models/echo/infer", json=REQUEST)
        there = await client.get("/models/tiny/ready")

    assert {"tiny", "sum"} <= {model["name"] for model in index.json()}
    assert {"tiny", "sum"} <= {model["name"] for model in statistics.json()["model_stats"]}
    assert "statistics" in metadata.json()["extensions"]
    assert (ready.status_code, ready.json()) == (400, {"ready": False})
    assert live.status_code == 200
    assert (lost.status_code, there.status_code) == (503, 200)
    assert "retry-after" in lost.headers
    assert "127.0.0.1" not in lost.json()["error"]


async def test_a_model_that_a_lost_service_may_have_is_not_said_to_be_nobodys(
    beside_lost: BesideLost, predictor_port: int
) -> None:
    async with beside_lost(predictor_port) as client:
        response = await client.post("/repository/models/new/load")

    assert response.status_code == 503


async def test_where_nobody_answers_lists_are_refused_rather_than_empty(
    beside_lost: BesideLost, gated_port: int
) -> None:
    # The service that is there does not speak the protocol.
    async with beside_lost(gated_port) as client:
        answers = [
            await client.post("/repository/index"),
            await client.get("/models/stats"),
            await client.get(""),
        ]

    assert [answer.status_code for answer in answers] == [503, 503, 503]


async def test_a_mesh_without_models_has_empty_lists(gated_http: httpx.AsyncClient) -> None:
    index = await gated_http.post("/v2/repository/index")
    statistics = await gated_http.get("/v2/models/stats")
    loaded = await gated_http.post("/v2/repository/models/m/load")

    assert (index.status_code, index.json()) == (200, [])
    assert statistics.json() == {"model_stats": []}
    assert loaded.status_code == 404
