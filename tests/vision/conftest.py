"""A real vision service with tiny models."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from mlmesh.inference.host import Host
from mlmesh.v1 import vision_pb2_grpc as rpc
from tests.vision.serving import image_hosting, serving_vision, write_image_models


@pytest.fixture(scope="session")
def image_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """classifier v1.0 and v2.0, detector, segmenter."""
    root = tmp_path_factory.mktemp("image-models")
    write_image_models(root)
    return root


@pytest.fixture
async def image_host(image_models: Path) -> AsyncIterator[Host]:
    async with image_hosting(image_models) as host:
        yield host


@pytest.fixture
async def vision_port(image_host: Host) -> AsyncIterator[int]:
    async with serving_vision(image_host) as port:
        yield port


@pytest.fixture
async def vision_channel(vision_port: int) -> AsyncIterator[grpc.aio.Channel]:
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{vision_port}", options) as channel:
        yield channel


@pytest.fixture
def vision(vision_channel: grpc.aio.Channel) -> rpc.VisionServiceAsyncStub:
    return rpc.VisionServiceStub(vision_channel)
