"""A gRPC server with everything that mlmesh's services have in common."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from grpc_status import rpc_status

from mlmesh.runtime.admission import Limits
from mlmesh.runtime.call import Call, deadline_after, request_id_of, traceparent_of, tracestate_of
from mlmesh.runtime.call_log import CallLog
from mlmesh.runtime.carry import MeshService
from mlmesh.runtime.carry_socket import CarryListener
from mlmesh.runtime.chain import Chain, Service
from mlmesh.runtime.contracts import Method, methods_of
from mlmesh.runtime.errors import Overloaded, ServingError
from mlmesh.runtime.health import SERVICE as HEALTH_SERVICE, Health
from mlmesh.runtime.metrics import ServerMetrics
from mlmesh.runtime.neighbours import socket_path
from mlmesh.runtime.reflection import reflection_pool
from mlmesh.runtime.tracing import Tracing
from mlmesh.v1 import mesh_pb2

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]

CALLS = logging.getLogger("mlmesh.calls")
LOGGED_CALLS = 20
DEFAULT_LIMITS = Limits()
DRAIN_SECONDS = 10.0
MAX_MESSAGE_BYTES = 64 * 2**20
MAX_METADATA_BYTES = 16 * 2**10


@asynccontextmanager
async def running_server(
    address: str,
    services: Sequence[Service],
    metrics: ServerMetrics,
    health: Health,
    *,
    limits: Limits = DEFAULT_LIMITS,
    max_message_bytes: int = MAX_MESSAGE_BYTES,
    drain_seconds: float = DRAIN_SECONDS,
    carry_folder: str = "",
    tracing: Tracing | None = None,
    log: CallLog | None = None,
) -> AsyncIterator[int]:
    """Serve on `address` inside the block and yield the port; drain open calls on the way out.

    Every unary method of `services` can be called plainly or carried by MeshService, and past gRPC
    by programs of the same user that have the same `carry_folder`. Raises OSError when the address
    or a socket in the folder cannot be had.
    """
    chain = Chain(services, limits, metrics, tracing, log or CallLog(CALLS, LOGGED_CALLS))
    carrier = MeshService(chain, max_message_bytes=max_message_bytes)
    mesh = Service(mesh_pb2.DESCRIPTOR.services_by_name["MeshService"], carrier)
    chain.add(mesh)
    server = grpc.aio.server(options=_options(max_message_bytes))
    for service in [*services, mesh]:
        server.add_generic_rpc_handlers((_handlers(chain, service),))
    health_pb2_grpc.add_HealthServicer_to_server(health.for_loop(), server)
    names = [service.name for service in [*services, mesh]]
    reflection.enable_server_reflection(
        [*names, HEALTH_SERVICE, reflection.SERVICE_NAME],
        server,
        pool=reflection_pool([service.contract for service in [*services, mesh]]),
    )
    port = _bound(server, address)
    past_grpc = await _listening_past_grpc(carry_folder, port, chain, max_message_bytes)
    try:
        await server.start()
        yield port
    finally:
        chain.stop_reading()
        # Side by side: calls of one kind must not be taken while those of the other end.
        await asyncio.gather(
            *(listener.stop(drain_seconds) for listener in past_grpc), server.stop(drain_seconds)
        )


async def _listening_past_grpc(
    folder: str, port: int, chain: Chain, max_message_bytes: int
) -> list[CarryListener]:
    """None without a folder. Before gRPC is there, for then callers look for it."""
    if not folder:
        return []
    listener = CarryListener(socket_path(folder, port), chain, max_message_bytes)
    await listener.start()
    return [listener]


def _bound(server: grpc.aio.Server, address: str) -> int:
    try:
        return server.add_insecure_port(address)
    except RuntimeError:
        raise OSError(f"cannot listen on {address}: is the port in use?") from None


def _options(max_message_bytes: int) -> list[tuple[str, Any]]:
    return [
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_metadata_size", MAX_METADATA_BYTES),
        # Two processes on one port would each get some of the calls and hide a mistake.
        ("grpc.so_reuseport", 0),
        # Callers keep their connections alive with pings; the default would call that an attack.
        ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
    ]


def _handlers(chain: Chain, service: Service) -> grpc.GenericRpcHandler:
    handlers = {method.name: _handler(chain, method) for method in methods_of(service.contract)}
    return grpc.method_handlers_generic_handler(service.name, handlers)


def _handler(chain: Chain, method: Method) -> grpc.RpcMethodHandler[Any, Any]:
    # Messages stay bytes up to the chain, so that plain and carried calls are parsed alike.
    if method.unary:
        return grpc.unary_unary_rpc_method_handler(_unary(chain, method.path))
    if method.descriptor.client_streaming and method.descriptor.server_streaming:
        return grpc.stream_stream_rpc_method_handler(_stream(chain, method.path))
    if method.descriptor.server_streaming:
        return grpc.unary_stream_rpc_method_handler(_one_to_stream(chain, method.path))
    raise TypeError(f"{method.path}: make it bidirectional, client streaming is not served")


def _unary(chain: Chain, path: str) -> Callable[[bytes, Context], Awaitable[bytes]]:
    async def answer(request: bytes, context: Context) -> bytes:
        call = _call_of(context)
        try:
            return await chain.answer(path, request, call)
        except ServingError as error:
            await _refuse(context, call, error)
            raise

    return answer


def _stream(
    chain: Chain, path: str
) -> Callable[[AsyncIterator[bytes], Context], AsyncIterator[bytes]]:
    async def answer(requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        call = _call_of(context)
        try:
            async for response in chain.stream(path, requests, call):
                yield response
        except ServingError as error:
            await _refuse(context, call, error)

    return answer


def _one_to_stream(chain: Chain, path: str) -> Callable[[bytes, Context], AsyncIterator[bytes]]:
    stream = _stream(chain, path)

    def answer(request: bytes, context: Context) -> AsyncIterator[bytes]:
        async def requests() -> AsyncIterator[bytes]:
            yield request

        return stream(requests(), context)

    return answer


def _call_of(context: Context) -> Call:
    request_id = offered = tracestate = ""
    attempt = 0
    for key, value in context.invocation_metadata() or ():
        if key == "x-request-id":
            request_id = str(value)
        elif key == "traceparent":
            offered = str(value)
        elif key == "tracestate":
            tracestate = str(value)
        elif key == "grpc-previous-rpc-attempts":
            attempt = _attempts(str(value))
    traceparent = traceparent_of(offered)
    root = traceparent != offered
    return Call(
        request_id=request_id_of(request_id),
        deadline=deadline_after(context.time_remaining()),
        traceparent=traceparent,
        tracestate="" if root else tracestate_of(tracestate),
        root=root,
        attempt=attempt,
    )


def _attempts(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 0


async def _refuse(context: Context, call: Call, error: ServingError) -> Any:
    metadata = [("x-request-id", call.request_id)]
    if isinstance(error, Overloaded):
        metadata.append(("grpc-retry-pushback-ms", str(int(error.retry_after * 1000))))
    status = rpc_status.to_status(error.status())
    metadata.extend(status.trailing_metadata)
    await context.abort(status.code, status.details, tuple(metadata))
