"""The frame of every model service: health, metrics and gRPC around its services, until SIGTERM."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial

from prometheus_client import CollectorRegistry

from mlmesh.runtime.admission import Limits
from mlmesh.runtime.call_log import CallLog
from mlmesh.runtime.chain import Service
from mlmesh.runtime.garbage import look_seldom
from mlmesh.runtime.health import Health, running_health
from mlmesh.runtime.log_levels import change_level, levels_page
from mlmesh.runtime.loop_lag import watching_lag
from mlmesh.runtime.metrics import ServerMetrics, metrics_page, open_registry
from mlmesh.runtime.pages import AcceptPage, ActPage, running_pages
from mlmesh.runtime.server import CALLS, running_server
from mlmesh.runtime.settings import ServiceSettings
from mlmesh.runtime.shutdown import LeftEarly, shutdown_on_signals
from mlmesh.runtime.trace_export import open_tracing

logger = logging.getLogger(__name__)

OpenServices = Callable[[CollectorRegistry, Health], AbstractAsyncContextManager[Sequence[Service]]]
"""Loads what the services need and gives them; what it loaded is freed when the block ends."""


async def serve(
    settings: ServiceSettings, names: Sequence[str], open_services: OpenServices, *, modality: str
) -> None:
    """Serve until SIGTERM or SIGINT: unready at once, then the lame-duck time, then drain.

    names: full names of the services, for health checks while they load.
    """
    try:
        await _serve(settings, names, open_services, modality)
    except LeftEarly:
        logger.info("left before it was ready")


async def _serve(
    settings: ServiceSettings, names: Sequence[str], open_services: OpenServices, modality: str
) -> None:
    registry = open_registry()
    health = Health(names, stuck_seconds=settings.stuck_seconds)
    async with AsyncExitStack() as stack:
        shutdown = stack.enter_context(shutdown_on_signals())
        await stack.enter_async_context(running_health(settings.health_address, health))
        await stack.enter_async_context(
            running_pages(
                settings.metrics_address,
                {
                    "/metrics": AcceptPage(partial(metrics_page, registry)),
                    "/loggers": ActPage(levels_page, change_level),
                },
            )
        )
        await stack.enter_async_context(watching_lag(registry))
        program = f"mlmesh-{names[0].rpartition('.')[2].removesuffix('Service').lower()}"
        tracing = await stack.enter_async_context(open_tracing(settings, program))
        async with shutdown.ends_the_task():
            services = await stack.enter_async_context(open_services(registry, health))
        look_seldom()
        port = await stack.enter_async_context(
            running_server(
                settings.grpc_address,
                services,
                ServerMetrics(registry, modality),
                health,
                limits=Limits(
                    settings.max_concurrent_calls,
                    settings.max_concurrent_bytes,
                    settings.max_concurrent_streams,
                ),
                max_message_bytes=settings.max_message_bytes,
                drain_seconds=settings.drain_seconds,
                carry_folder=settings.carry_folder,
                tracing=tracing,
                log=CallLog(CALLS, settings.log_calls_per_second),
            )
        )
        await health.set_ready(True)
        logger.info("serving", extra={"services": list(names), "port": port})
        await shutdown.requested()
        await health.set_ready(False)
        await shutdown.lame_duck(settings.lame_duck_seconds)
        logger.info("draining", extra={"drain_seconds": settings.drain_seconds})
    # Handlers that were cancelled by the drain get a turn to finish before the loop goes.
    await asyncio.sleep(0)
