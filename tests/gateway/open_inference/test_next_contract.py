"""A contract's second version lives below /v2, beside the protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from gateway.running import running_gateway
from gateway.settings import GatewaySettings
from tests.contracts.compiled import compiled_contracts
from tests.contracts.test_versions import NEXT


@pytest.fixture
async def client(
    gateway_settings: GatewaySettings, tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    with compiled_contracts(NEXT, tmp_path) as descriptors:
        settings = gateway_settings.model_copy(update={"descriptors": (descriptors,)})
    async with running_gateway(settings) as gateway:
        url = f"http://127.0.0.1:{gateway.port}/v2"
        async with httpx.AsyncClient(base_url=url, timeout=15) as client:
            yield client


async def test_its_routes_are_found_and_answer_in_their_own_form(client: httpx.AsyncClient) -> None:
    called = await client.post("/models/tiny:predict", json={"row": [1]})
    refused = await client.post("/models/tiny:predict", json={"nothing": 1})
    options = await client.options("/models/tiny:predict")
    protocol = await client.get("/models/tiny:describe/ready")

    # No backend of these tests serves it.
    assert called.json()["error"]["status"] == "UNAVAILABLE"
    assert refused.json()["error"]["status"] == "INVALID_ARGUMENT"
    assert options.headers["allow"] == "OPTIONS, POST"
    assert protocol.json().keys() == {"error"}
