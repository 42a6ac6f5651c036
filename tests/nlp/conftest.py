"""A real nlp service with tiny models."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from mlmesh.inference.host import Host
from mlmesh.v1 import nlp_pb2_grpc as rpc
from tests.nlp.serving import serving_nlp, text_hosting, write_text_models


@pytest.fixture(scope="session")
def text_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """sentiment v1.0 and v2.0, entities, embeddings."""
    root = tmp_path_factory.mktemp("text-models")
    write_text_models(root)
    return root


@pytest.fixture
async def text_host(text_models: Path) -> AsyncIterator[Host]:
    async with text_hosting(text_models) as host:
        yield host


@pytest.fixture
async def nlp_port(text_host: Host) -> AsyncIterator[int]:
    async with serving_nlp(text_host) as port:
        yield port


@pytest.fixture
async def nlp_channel(nlp_port: int) -> AsyncIterator[grpc.aio.Channel]:
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{nlp_port}", options) as channel:
        yield channel


@pytest.fixture
def nlp(nlp_channel: grpc.aio.Channel) -> rpc.NlpServiceAsyncStub:
    return rpc.NlpServiceStub(nlp_channel)
