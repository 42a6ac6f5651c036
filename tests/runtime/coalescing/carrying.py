"""A server whose Carry a test writes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc

from mlmesh.v1 import mesh_pb2 as pb

Carry = Callable[[AsyncIterator[bytes], Any], AsyncIterator[bytes]]
Predict = Callable[[bytes, Any], Awaitable[bytes]]


async def plain_predict(request: bytes, context: Any) -> bytes:
    return b"plain"


class Told:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.messages: list[int] = []
        self.again = 0

    def sent(self, calls: int) -> None:
        self.messages.append(calls)

    def repeated(self) -> None:
        self.again += 1


@asynccontextmanager
async def serving(
    carry: Carry | None,
    predict: Predict = plain_predict,
    credentials: grpc.ServerCredentials | None = None,
) -> AsyncIterator[str]:
    """A server with this Carry, or none, and this Predict."""
    server = grpc.aio.server()
    unary: dict[str, Any] = {"Predict": grpc.unary_unary_rpc_method_handler(predict)}
    handlers = [grpc.method_handlers_generic_handler("mlmesh.v1.PredictorService", unary)]
    if carry is not None:
        methods: dict[str, Any] = {"Carry": grpc.stream_stream_rpc_method_handler(carry)}
        handlers.append(grpc.method_handlers_generic_handler("mlmesh.v1.MeshService", methods))
    server.add_generic_rpc_handlers(tuple(handlers))
    if credentials is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


async def calls_of(requests: AsyncIterator[bytes]) -> AsyncIterator[pb.Call]:
    async for message in requests:
        for carried in pb.CarryRequest.FromString(message).calls:
            yield carried


def replies(*replies: pb.Reply) -> bytes:
    return pb.CarryResponse(replies=replies).SerializeToString()
