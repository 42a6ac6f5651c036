"""A contract with streams of every shape, served by a program that a test can hold."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import grpc

from gateway.running import RunningGateway, running_gateway
from gateway.settings import GatewaySettings
from mlmesh.runtime.contracts import Contracts, load_contracts
from tests.gateway.compiled_contract import compiled

COUNTER = """
    // Counts.
    service Counter {
      // Counts up.
      rpc Count(Task) returns (stream Number) {
        option (google.api.http) = {
          get: "/count/{to}" additional_bindings { post: "/count" body: "*" }
        };
      }
      // Adds up.
      rpc Add(stream Number) returns (Number) {
        option (google.api.http) = { post: "/add" body: "*" };
      }
      // Says what it hears.
      rpc Echo(stream Number) returns (stream Number) {
        option (google.api.http) = {
          post: "/echo" body: "*" additional_bindings { get: "/echo/{text}" }
        };
      }
    }
    // What to do.
    message Task {
      // The last number.
      int32 to = 1;
      // Where it goes wrong.
      int32 fail_at = 2;
      // Where it waits for the test.
      int32 wait_at = 3;
      // How much text each number brings along.
      int32 size = 4;
    }
    // A number.
    message Number {
      // The number.
      int32 value = 1;
      // Text.
      string text = 2;
    }
"""
SERVICE = "counter.v1.Counter"
REFUSED = -1
"""A number that Echo fails at."""
SILENT = -2
"""A number that Echo waits for the gate at."""


class Counter:
    def __init__(self, contracts: Contracts) -> None:
        methods = {method.name: method for method in contracts.methods() if SERVICE in method.path}
        self._task = methods["Count"].request
        self.number = methods["Count"].response
        self.gate = asyncio.Event()
        self.waiting = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.sent = 0
        self.heard = 0
        self.metadata: dict[str, Any] = {}
        """What came beside the last call of Echo."""

    async def count(self, sent: bytes, context: Any) -> AsyncIterator[bytes]:
        task: Any = self._task.FromString(sent)
        for value in range(1, task.to + 1):
            if value == task.fail_at:
                await context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"no {value}")
            if value == task.wait_at:
                await self._wait()
            yield self.number(value=value, text="x" * task.size).SerializeToString()
            self.sent = value

    async def add(self, requests: AsyncIterator[bytes], context: Any) -> bytes:
        total = 0
        async for request in requests:
            total += self._value_of(request)
        return self.number(value=total).SerializeToString()

    async def echo(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        self.metadata = dict(context.invocation_metadata())
        async for request in requests:
            self.heard += 1
            value = self._value_of(request)
            if value == REFUSED:
                await context.abort(grpc.StatusCode.OUT_OF_RANGE, "value: too small")
            if value == SILENT:
                await self._wait()
            yield request
            self.sent += 1

    def _value_of(self, request: bytes) -> int:
        message: Any = self.number.FromString(request)
        return int(message.value)

    async def _wait(self) -> None:
        self.waiting.set()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


@asynccontextmanager
async def raw_connection(
    gateway: RunningGateway,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@asynccontextmanager
async def counting(folder: Path, **limits: Any) -> AsyncIterator[tuple[RunningGateway, Counter]]:
    """A counter and a gateway in front of it, with limits of its own."""
    descriptors = compiled(COUNTER, folder, "counter")
    counter = Counter(load_contracts([descriptors]))
    handlers: dict[str, Any] = {
        "Count": grpc.unary_stream_rpc_method_handler(counter.count),
        "Add": grpc.stream_unary_rpc_method_handler(counter.add),
        "Echo": grpc.stream_stream_rpc_method_handler(counter.echo),
    }
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    settings = GatewaySettings.model_validate(
        {
            "http_address": "127.0.0.1:0",
            "ops_address": "127.0.0.1:0",
            "backends": {SERVICE: f"127.0.0.1:{port}"},
            "descriptors": [descriptors],
            "input_log": folder / "inputs.jsonl",
            "drain_seconds": 1,
            **limits,
        }
    )
    try:
        async with running_gateway(settings) as gateway:
            yield gateway, counter
    finally:
        await server.stop(None)
