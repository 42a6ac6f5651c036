"""Deadlines, traces and cancellation, from HTTP to the service."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from gateway.running import RunningGateway
from tests.gated import GatedPredictor


@pytest.mark.parametrize(("field", "text"), [("grpc-timeout", "2S"), ("x-request-timeout", "2")])
async def test_the_backend_gets_less_time_than_the_gateway(
    gated_http: httpx.AsyncClient, gated: GatedPredictor, field: str, text: str
) -> None:
    gated.gate.set()

    await gated_http.post("/predict", json={}, headers={field: text})

    assert 1 < gated.began[0].remaining < 2


async def test_the_contract_bounds_the_time_that_a_client_asks_for(
    gated_http: httpx.AsyncClient, gated: GatedPredictor
) -> None:
    gated.gate.set()

    await gated_http.post("/predict", json={}, headers={"x-request-timeout": "600"})

    assert gated.began[0].remaining < 5


async def test_a_deadline_that_passes_is_504_and_ends_the_work(
    gated_http: httpx.AsyncClient, gated: GatedPredictor
) -> None:
    response = await gated_http.post("/predict", json={}, headers={"x-request-timeout": "0.3"})

    assert response.status_code == 504
    await asyncio.wait_for(gated.cancelled.wait(), 5)


async def test_a_trace_is_passed_on_and_a_broken_one_replaced(
    gated_http: httpx.AsyncClient, gated: GatedPredictor
) -> None:
    gated.gate.set()
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    await gated_http.post("/predict", json={}, headers={"traceparent": trace})
    await gated_http.post("/predict", json={}, headers={"traceparent": "nonsense"})

    kept, made = gated.began
    assert kept.traceparent == trace
    assert made.traceparent.endswith("-00")


async def test_a_client_that_leaves_ends_its_call(
    gated_gateway: RunningGateway, gated: GatedPredictor
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", gated_gateway.port)
    writer.write(b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}")
    await gated.has_begun()

    writer.close()

    await asyncio.wait_for(gated.cancelled.wait(), 5)
