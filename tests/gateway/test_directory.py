from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.directory import open_directory
from gateway.settings import GatewaySettings
from tests.gateway.services import OTHER, PREDICTOR, gateway_of, serving
from tests.tiny_models import write_classifier


async def problems(client: httpx.AsyncClient, wanted: Callable[[list[str]], bool]) -> list[str]:
    """The problems of the list of models, once they are as wanted."""
    async with asyncio.timeout(20):
        while True:
            found = list((await client.get("/v1/models")).json()["problems"])
            if wanted(found):
                return found
            await asyncio.sleep(0.05)


@pytest.fixture
def other_root(tmp_path: Path) -> Path:
    root = tmp_path / "other"
    write_classifier(root, "spare")
    return root


async def test_the_lists_of_all_services_are_one(
    gateway_settings: GatewaySettings, predictor_port: int, other_root: Path
) -> None:
    async with (
        serving(other_root, OTHER) as other,
        gateway_of(gateway_settings, {PREDICTOR: predictor_port, OTHER: other}) as (_, client),
    ):
        listed = (await client.get("/v1/models")).json()

    owners = {model["name"]: model["service"] for model in listed["models"]}
    assert owners == {"kinds": PREDICTOR, "spare": OTHER, "sum": PREDICTOR, "tiny": PREDICTOR}


async def test_a_name_that_two_services_claim_stays_with_the_first(
    gateway_settings: GatewaySettings, predictor_port: int, other_root: Path
) -> None:
    write_classifier(other_root, "tiny", version="v7.0")
    async with (
        serving(other_root, OTHER) as other,
        gateway_of(gateway_settings, {PREDICTOR: predictor_port, OTHER: other}) as (_, client),
    ):
        listed = (await client.get("/v1/models")).json()
        one = (await client.get("/v1/models/tiny")).json()["model"]
        health = (await client.get("/health")).json()

    clash = f"model tiny of {OTHER} is refused, {PREDICTOR} has a model of that name"
    assert [model["name"] for model in listed["models"]] == ["kinds", "spare", "sum", "tiny"]
    assert listed["problems"] == health["problems"] == [clash]
    assert one["service"] == PREDICTOR
    assert health["status"] == "degraded"


async def test_the_gateway_is_ready_once_all_have_answered_and_stays_so(
    gateway_settings: GatewaySettings, predictor_port: int, other_root: Path
) -> None:
    async with AsyncExitStack() as stack:
        first = AsyncExitStack()
        other = await first.enter_async_context(serving(other_root, OTHER))
        backends = {PREDICTOR: predictor_port, OTHER: other}
        gateway, client = await stack.enter_async_context(gateway_of(gateway_settings, backends))
        await asyncio.wait_for(gateway.probes.directory.complete.wait(), 10)

        await first.aclose()
        lost = await problems(client, lambda found: bool(found))
        still_ready = (await client.get("/ready")).status_code
        answered = (await client.post("/predict", json={"features": [1, 2]})).status_code

        await stack.enter_async_context(serving(other_root, OTHER, f"127.0.0.1:{other}"))
        found_again = await problems(client, lambda found: not found)

    assert lost == [f"{OTHER}: mlmesh.v1.ModelsService is not available just now, try again"]
    assert found_again == []
    assert (still_ready, answered) == (200, 200)


async def test_the_gateway_is_not_ready_before_a_backend_has_answered(
    gateway_settings: GatewaySettings, predictor_port: int
) -> None:
    backends = {PREDICTOR: predictor_port, OTHER: 1}
    async with gateway_of(gateway_settings, backends) as (gateway, client):
        ready = await client.get("/ready")
        alive = await client.get("/alive")
        health = (await client.get("/health")).json()
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.ops_port}") as ops:
            ops_ready = await ops.get("/ready")
            metrics = await ops.get("/metrics")

    assert ready.status_code == ops_ready.status_code == 503
    assert alive.status_code == metrics.status_code == 200
    assert health["services"][OTHER] != "ok"


class Stumbling:
    """A backend whose first answer breaks in a way that nobody foresaw."""

    services = (PREDICTOR,)

    def __init__(self) -> None:
        self.asked = 0

    async def answer(self, *_: object) -> bytes:
        self.asked += 1
        if self.asked == 1:
            raise RuntimeError("unforeseen")
        return b""


async def test_looking_goes_on_after_an_unforeseen_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    backend: Any = Stumbling()

    async with open_directory([backend], seconds=0.05) as directory:
        await asyncio.wait_for(directory.complete.wait(), 10)

    assert backend.asked >= 2
    assert "looking at the backends failed" in caplog.text
