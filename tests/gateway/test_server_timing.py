from __future__ import annotations

import re

import httpx
import pytest

from gateway.running import running_gateway
from gateway.server_timing import server_timing
from gateway.settings import GatewaySettings
from mlmesh.runtime.answer import Answer

PARTS = re.compile(
    r"queue;dur=([\d.]+), batch;dur=([\d.]+), compute;dur=([\d.]+), gateway;dur=(.+)"
)
ROW = {"features": [1, 2]}


def test_the_parts_are_milliseconds_and_the_rest_is_the_gateways() -> None:
    answer = Answer(b"", queue_us=12, batch_us=30, compute_us=1500)

    assert server_timing(answer, 0.002) == (
        b"queue;dur=0.012, batch;dur=0.030, compute;dur=1.500, gateway;dur=0.458"
    )


def test_no_part_is_negative() -> None:
    assert server_timing(Answer(b"", compute_us=5000), 0.002).endswith(b"gateway;dur=0.000")


@pytest.mark.parametrize("shortcut", [True, False])
async def test_answers_say_where_their_time_went(
    gateway_settings: GatewaySettings, shortcut: bool
) -> None:
    settings = gateway_settings.model_copy(update={"shortcut": shortcut})
    async with (
        running_gateway(settings) as gateway,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}") as client,
    ):
        small = await client.post("/predict", json=ROW)
        large = await client.post("/predict/batch", json={"rows": [ROW] * 50})
        failed = await client.post("/predict", json={})

    for response in (small, large):
        parts = PARTS.fullmatch(response.headers["server-timing"])
        assert parts
        assert 0 < sum(map(float, parts.groups())) < 15_000
    assert "server-timing" not in failed.headers


@pytest.mark.parametrize("shortcut", [True, False])
async def test_it_can_be_switched_off(gateway_settings: GatewaySettings, shortcut: bool) -> None:
    update = {"shortcut": shortcut, "server_timing": False}
    async with (
        running_gateway(gateway_settings.model_copy(update=update)) as gateway,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}") as client,
    ):
        response = await client.post("/predict", json=ROW)

    assert response.status_code == 200
    assert "server-timing" not in response.headers
