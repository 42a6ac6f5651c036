"""A collector: takes spans by OTLP over gRPC, and shows them as plain values."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import (
    trace_service_pb2 as pb,
    trace_service_pb2_grpc as rpc,
)


@dataclass(frozen=True, slots=True)
class Received:
    service: str
    name: str
    trace: str
    id: str
    parent: str
    kind: int
    failed: bool
    state: str
    attributes: dict[str, Any]
    events: list[tuple[str, dict[str, Any]]]
    links: list[str]
    seconds: float


@dataclass(slots=True)
class Receiver(rpc.TraceServiceServicer):
    port: int = 0
    spans: list[Received] = field(default_factory=list)
    raw: bytes = b""
    """Everything that came, as it came."""
    came: asyncio.Event = field(default_factory=asyncio.Event)

    async def Export(
        self, request: pb.ExportTraceServiceRequest, context: object
    ) -> pb.ExportTraceServiceResponse:
        self.raw += request.SerializeToString()
        for resource in request.resource_spans:
            service = _values(resource.resource.attributes)["service.name"]
            for scope in resource.scope_spans:
                self.spans.extend(_received(service, span) for span in scope.spans)
        self.came.set()
        return pb.ExportTraceServiceResponse()

    async def until(self, there: Callable[[Sequence[Received]], bool]) -> list[Received]:
        """Wait for spans of which this can be said."""
        async with asyncio.timeout(20):
            while not there(self.spans):
                self.came.clear()
                await self.came.wait()
        return self.spans

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def _received(service: str, span: Any) -> Received:
    return Received(
        service,
        span.name,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.kind,
        span.status.code == span.status.STATUS_CODE_ERROR,
        span.trace_state,
        _values(span.attributes),
        [(event.name, _values(event.attributes)) for event in span.events],
        [link.span_id.hex() for link in span.links],
        (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
    )


def _values(attributes: Any) -> dict[str, Any]:
    return {
        one.key: getattr(one.value, one.value.WhichOneof("value") or "string_value")
        for one in attributes
    }


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    server = grpc.aio.server()
    receiver = Receiver()
    rpc.add_TraceServiceServicer_to_server(receiver, server)  # type: ignore[no-untyped-call]
    receiver.port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield receiver
    finally:
        await server.stop(None)
