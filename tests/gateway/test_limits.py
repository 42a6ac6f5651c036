"""What one request, and all together, may take."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import pytest

from gateway.running import RunningGateway, running_gateway
from gateway.settings import GatewaySettings
from tests.gated import GatedPredictor

JSON = {"content-type": "application/json"}


async def test_a_body_in_chunks_is_bounded_as_well(http: httpx.AsyncClient) -> None:
    async def chunks() -> Any:
        for _ in range(80):
            yield b" " * 1000

    response = await http.post("/predict", content=chunks(), headers=JSON)

    assert response.status_code == 413


async def test_a_body_that_does_not_arrive_is_given_up(gateway: RunningGateway) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{")

    status = await asyncio.wait_for(reader.readline(), 10)

    assert status.startswith(b"HTTP/1.1 504")
    writer.close()
    await writer.wait_closed()


async def test_requests_beyond_the_limit_are_told_when_to_come_back(
    gated_settings: GatewaySettings, gated: GatedPredictor
) -> None:
    settings = gated_settings.model_copy(update={"max_concurrent_requests": 1})
    async with (
        running_gateway(settings) as gateway,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}") as client,
    ):
        held = asyncio.create_task(client.post("/predict", json={}))
        await gated.has_begun()

        refused = await client.post("/predict", json={})
        alive = await client.get("/alive")
        gated.gate.set()

        assert (await held).status_code == 200
    assert refused.status_code == 503
    assert 1 <= int(refused.headers["retry-after"]) <= 2
    assert alive.status_code == 200


async def test_all_bodies_together_are_bounded_while_they_arrive(
    gateway_settings: GatewaySettings,
) -> None:
    limits = {"max_concurrent_body_bytes": 50_000, "body_seconds": 30}
    settings = gateway_settings.model_copy(update=limits)
    async with (
        running_gateway(settings) as gateway,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}") as client,
    ):

        async def status(size: int) -> int:
            return (await client.post("/predict", content=b"x" * size, headers=JSON)).status_code

        _, slow = await asyncio.open_connection("127.0.0.1", gateway.port)
        slow.write(b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 40001\r\n\r\n")
        slow.write(b" " * 40_000)
        await slow.drain()
        # It is held as soon as it is here.
        while await status(20_000) != 503:
            await asyncio.sleep(0.01)

        assert await status(5_000) == 400
        slow.close()
        await slow.wait_closed()
        while await status(20_000) != 400:
            await asyncio.sleep(0.01)
        # One alone may be larger than all together.
        assert await status(60_000) == 400


async def longest_wait_beside(http: httpx.AsyncClient, path: str, content: bytes) -> float:
    """Seconds that the slowest small request waited while a large one was worked on."""
    large = asyncio.create_task(http.post(path, content=content, headers=JSON))
    waits = []
    while not large.done():
        started = time.perf_counter()
        await http.get("/alive")
        waits.append(time.perf_counter() - started)
    await large
    return max(waits)


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/process", b'{"data":[' + b"1," * 500_000 + b"1]}"),
        ("/predict", b'{"named_features":{"x":[' + b"1," * 500_000 + b"1]}}"),
        ("/predict/batch", b'{"rows":[' + b"{}," * 300_000 + b"{}]}"),
        ("/v1/models:streamPredict", b"{}\n" * 300_000),
    ],
)
async def test_a_large_request_does_not_keep_small_ones_waiting(
    gateway_settings: GatewaySettings, path: str, content: bytes
) -> None:
    settings = gateway_settings.model_copy(update={"max_body_bytes": 2**20, "body_seconds": 30})
    async with (
        running_gateway(settings) as gateway,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}", timeout=60) as client,
    ):
        assert await longest_wait_beside(client, path, content) < 2


async def test_lines_beyond_the_limit_are_refused(gateway_settings: GatewaySettings) -> None:
    settings = gateway_settings.model_copy(update={"max_stream_lines": 2})
    async with (
        running_gateway(settings) as gateway,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}") as client,
    ):
        response = await client.post("/v1/models:streamPredict", content=b'{"id":"1"}\n' * 3)

    assert response.json()["error"]["message"] == "body: send at most 2 lines in one request"


async def test_an_input_beyond_the_limit_is_refused(gateway_settings: GatewaySettings) -> None:
    settings = gateway_settings.model_copy(update={"max_input_bytes": 100})
    async with (
        running_gateway(settings) as gateway,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}") as client,
    ):
        response = await client.post("/process", json={"data": "x" * 200})

    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith("data: larger than the 100 bytes")
