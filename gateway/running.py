"""The gateway put together: contracts, backends, routes, pages and the HTTP server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from socket import socket
from types import MappingProxyType

import orjson
from google.protobuf.message import DecodeError
from prometheus_client import CollectorRegistry

from gateway.app import AppLimits, Gateway
from gateway.arrivals import Arrivals
from gateway.asset import Asset
from gateway.backends import Backend, open_backends
from gateway.carried import CarriedMetrics
from gateway.directory import Directory, open_directory
from gateway.door import open_door
from gateway.form import FormLimits
from gateway.front import running_front
from gateway.mesh import Mesh
from gateway.models import models_service
from gateway.open_inference.surface import OpenInference
from gateway.openapi import openapi_of
from gateway.page import AnyPage
from gateway.probes import Probes
from gateway.process import gateway_service
from gateway.protocol import ProtocolLimits
from gateway.reachability import show_reachability
from gateway.records import InputLog, open_input_log
from gateway.reference import reference_pages
from gateway.request import JSON
from gateway.routes import Routes, routes_of
from gateway.settings import GatewaySettings
from gateway.shortcut import Shortcut
from gateway.socket import SocketLimits
from gateway.sockets import Sockets
from gateway.traffic import HttpMetrics
from mlmesh.runtime.admission import Limits
from mlmesh.runtime.call_log import CallLog
from mlmesh.runtime.chain import Chain
from mlmesh.runtime.coalescing.options import Coalescing
from mlmesh.runtime.contracts import Contracts, load_contracts
from mlmesh.runtime.log_levels import change_level, levels_page
from mlmesh.runtime.loop_lag import watching_lag
from mlmesh.runtime.metrics import ServerMetrics, metrics_page, open_registry
from mlmesh.runtime.pages import AcceptPage, ActPage, Page, running_pages
from mlmesh.runtime.program import BadConfiguration
from mlmesh.runtime.trace_export import open_tracing
from mlmesh.runtime.tracing import Tracing

REQUESTS = logging.getLogger("gateway.requests")


@dataclass(frozen=True, slots=True)
class RunningGateway:
    port: int
    ops_port: int
    probes: Probes


@asynccontextmanager
async def running_gateway(
    settings: GatewaySettings,
    listener: socket | None = None,
    other_pages: Mapping[str, AnyPage] = MappingProxyType({}),
) -> AsyncIterator[RunningGateway]:
    """Serve HTTP inside the block; let the requests under way end after it.

    listener: takes connections in the place of `settings.http_address`. other_pages: by path, to
    answer with on the port of HTTP.
    Raises OSError when an address cannot be had, BadConfiguration when contracts are wrong.
    """
    registry = open_registry()
    contracts, routes = _contracts(settings)
    release = version("mlmesh")
    async with AsyncExitStack() as stack:
        backends = await stack.enter_async_context(
            open_backends(settings.backends, _coalescing(settings), CarriedMetrics(registry).of)
        )
        directory = await stack.enter_async_context(
            open_directory(backends.values(), settings.directory_seconds)
        )
        show_reachability(registry, directory)
        await stack.enter_async_context(watching_lag(registry))
        log = await stack.enter_async_context(
            open_input_log(settings.input_log, settings.input_log_bytes, settings.input_log_files)
        )
        tracing = await stack.enter_async_context(open_tracing(settings, "mlmesh-gateway"))
        limits = Limits(settings.max_concurrent_requests)
        chain = Chain([], limits, ServerMetrics(registry), tracing)
        mesh = _mesh(chain, tracing, routes, backends, directory, log, settings.max_input_bytes)
        probes = Probes(directory, release, settings.stuck_seconds)
        ops_pages = _pages(probes, registry)
        openapi = orjson.dumps(openapi_of(contracts, routes, release))
        pages: dict[str, AnyPage] = {
            **ops_pages,
            "/openapi.json": Asset(JSON, openapi),
            **reference_pages(),
            **other_pages,
        }
        metrics = HttpMetrics(registry, CallLog(REQUESTS, settings.log_calls_per_second))
        door = open_door(settings.max_concurrent_requests, settings.max_concurrent_body_bytes)
        arrivals = Arrivals(settings.routing_headers, tracing)
        sockets = Sockets(routes, mesh, metrics, door, arrivals, _socket_limits(settings))
        metrics.read_load(
            lambda: door.requests.count, lambda: sockets.open, lambda: door.bodies.used
        )
        app = Gateway(
            routes,
            mesh,
            OpenInference(directory, probes),
            pages,
            metrics,
            door,
            sockets,
            arrivals,
            _limits(settings),
        )
        shortcut = Shortcut(
            routes,
            mesh,
            pages,
            metrics,
            door,
            body_bytes=settings.max_body_bytes,
            body_seconds=settings.body_seconds,
            packed_from=settings.compress_from_bytes,
            server_timing=settings.server_timing,
            routing_headers=settings.routing_headers,
            tracing=tracing,
        )
        stack.callback(asyncio.create_task(probes.beat()).cancel)
        ops_port = await stack.enter_async_context(
            running_pages(
                settings.ops_address,
                {**ops_pages, "/loggers": ActPage(levels_page, change_level)},
            )
        )
        port = await stack.enter_async_context(
            running_front(
                app,
                listener or settings.http_address,
                shortcut=shortcut if settings.shortcut else None,
                limits=ProtocolLimits(
                    settings.max_head_bytes, settings.head_seconds, settings.answer_seconds
                ),
                max_frame_bytes=settings.max_frame_bytes,
                ping_seconds=settings.socket_ping_seconds,
                keep_alive_seconds=settings.keep_alive_seconds,
                drain_seconds=settings.drain_seconds,
            )
        )
        yield RunningGateway(port, ops_port, probes)


def _contracts(settings: GatewaySettings) -> tuple[Contracts, Routes]:
    try:
        contracts = load_contracts(settings.descriptors)
        return contracts, routes_of(contracts)
    except (DecodeError, TypeError, ValueError) as error:
        raise BadConfiguration(f"MLMESH_DESCRIPTORS: {error}") from error


def _mesh(
    chain: Chain,
    tracing: Tracing | None,
    routes: Routes,
    backends: Mapping[str, Backend],
    directory: Directory,
    log: InputLog,
    max_input_bytes: int,
) -> Mesh:
    """Backends by contract, and what the gateway answers itself."""
    mesh = Mesh(chain, backends, tracing)
    mesh.add_local(models_service(directory))
    mesh.add_local(gateway_service(log, mesh, routes, max_input_bytes))
    return mesh


def _pages(probes: Probes, registry: CollectorRegistry) -> dict[str, Page | AcceptPage]:
    return {
        "/alive": probes.alive,
        "/ready": probes.ready,
        "/health": probes.health,
        "/metrics": AcceptPage(partial(metrics_page, registry)),
    }


def _coalescing(settings: GatewaySettings) -> Coalescing:
    return Coalescing(
        enabled=settings.coalesce,
        apart=frozenset(settings.coalesce_apart),
        message_calls=settings.coalesce_calls,
        message_bytes=settings.coalesce_bytes,
        large_bytes=settings.coalesce_large_bytes,
        messages=settings.coalesce_messages,
        stream_seconds=settings.coalesce_stream_seconds,
        patience_seconds=settings.patience_seconds,
        silence_seconds=settings.silence_seconds,
        resolve_seconds=settings.resolve_seconds,
        early_calls=settings.coalesce_early_calls,
        folder=settings.carry_folder,
    )


def _limits(settings: GatewaySettings) -> AppLimits:
    return AppLimits(
        body_bytes=settings.max_body_bytes,
        body_seconds=settings.body_seconds,
        lines=settings.max_stream_lines,
        packed_from=settings.compress_from_bytes,
        server_timing=settings.server_timing,
        heartbeat_seconds=settings.heartbeat_seconds,
        form=FormLimits(
            settings.max_form_parts, settings.max_part_header_bytes, settings.max_part_text_bytes
        ),
    )


def _socket_limits(settings: GatewaySettings) -> SocketLimits:
    return SocketLimits(
        settings.max_sockets,
        settings.max_socket_messages,
        settings.socket_idle_seconds,
        settings.origins,
    )
