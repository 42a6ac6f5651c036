"""A real gateway in front of a real predictor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from gateway.running import RunningGateway, running_gateway
from gateway.settings import GatewaySettings
from tests.gateway.clients import plain_client

PREDICTOR = "mlmesh.v1.PredictorService"


def settings_for(predictor_port: int, folder: Path) -> GatewaySettings:
    return GatewaySettings.model_validate(
        {
            "http_address": "127.0.0.1:0",
            "ops_address": "127.0.0.1:0",
            "backends": {PREDICTOR: f"127.0.0.1:{predictor_port}"},
            "input_log": folder / "inputs.jsonl",
            "max_body_bytes": 65536,
            "body_seconds": 1,
            "directory_seconds": 0.2,
            "drain_seconds": 1,
        }
    )


@pytest.fixture
def gateway_settings(predictor_port: int, tmp_path: Path) -> GatewaySettings:
    return settings_for(predictor_port, tmp_path)


@pytest.fixture
async def gateway(gateway_settings: GatewaySettings) -> AsyncIterator[RunningGateway]:
    """In front of the predictor with the tiny models."""
    async with running_gateway(gateway_settings) as gateway:
        await asyncio.wait_for(gateway.probes.directory.complete.wait(), 10)
        yield gateway


@pytest.fixture
async def http(gateway: RunningGateway) -> AsyncIterator[httpx.AsyncClient]:
    async with plain_client(base_url=f"http://127.0.0.1:{gateway.port}", timeout=15) as client:
        yield client


@pytest.fixture
def gated_settings(gated_port: int, tmp_path: Path) -> GatewaySettings:
    return settings_for(gated_port, tmp_path)


@pytest.fixture
async def gated_gateway(gated_settings: GatewaySettings) -> AsyncIterator[RunningGateway]:
    """In front of the predictor that waits at a gate."""
    async with running_gateway(gated_settings) as gateway:
        yield gateway


@pytest.fixture
async def gated_http(gated_gateway: RunningGateway) -> AsyncIterator[httpx.AsyncClient]:
    url = f"http://127.0.0.1:{gated_gateway.port}"
    async with plain_client(base_url=url, timeout=15) as client:
        yield client
