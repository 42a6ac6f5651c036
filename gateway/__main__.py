"""`python -m gateway`: serve HTTP in front of the model services until SIGTERM."""

from __future__ import annotations

import logging

from gateway.loop import loop_factory
from gateway.running import running_gateway
from gateway.settings import GatewaySettings
from gateway.workers import serve_by_workers
from mlmesh.runtime.garbage import look_seldom
from mlmesh.runtime.program import run_program
from mlmesh.runtime.shutdown import shutdown_on_signals

logger = logging.getLogger(__name__)


async def main(settings: GatewaySettings) -> None:
    with shutdown_on_signals() as shutdown:
        if settings.workers > 1:
            await serve_by_workers(settings, shutdown)
            return
        async with running_gateway(settings) as gateway:
            look_seldom()
            logger.info("serving", extra={"port": gateway.port, "backends": settings.backends})
            await shutdown.requested()
            gateway.probes.leaving = True
            await shutdown.lame_duck(settings.lame_duck_seconds)
            logger.info("draining", extra={"drain_seconds": settings.drain_seconds})


if __name__ == "__main__":
    run_program(GatewaySettings, main, loop_factory())
