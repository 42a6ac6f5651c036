"""A program that answers every call with what it was sent."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import grpc
from grpc_tools import protoc

from mlmesh.runtime.contracts import bundled_descriptors

CONTRACTS = Path(__file__).parents[1] / "contracts"
SERVICE, OTHER = "transcoding.v1.Echo", "transcoding.v1.Answers"


def write_descriptors(path: Path) -> Path:
    """The descriptor set of transcoding.proto and all that it imports."""
    with tempfile.TemporaryDirectory() as folder:
        known = Path(folder) / "known.binpb"
        known.write_bytes(bundled_descriptors())
        failed = protoc.main(
            [
                "protoc",
                f"--proto_path={CONTRACTS}",
                f"--proto_path={files('grpc_tools') / '_proto'}",
                f"--descriptor_set_in={known}",
                f"--descriptor_set_out={path}",
                "--include_imports",
                "transcoding.proto",
            ]
        )
    assert not failed, "protoc refused the contract"
    return path


class _Everything(grpc.GenericRpcHandler):
    def service(self, handler_call_details: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(_echo)


async def _echo(request: bytes, context: Any) -> bytes:
    return request


@asynccontextmanager
async def serving_echo() -> AsyncIterator[int]:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((_Everything(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)
