"""`python -m gateway`: serve HTTP in front of the model services until SIGTERM."""

from __future__ import annotations

import logging

from gateway.running import running_gateway
from gateway.settings import GatewaySettings
from mlmesh.runtime.program import LoopFactory, run_program
from mlmesh.runtime.shutdown import shutdown_on_signals

logger = logging.getLogger(__name__)


async def main(settings: GatewaySettings) -> None:
    with shutdown_on_signals() as shutdown:
        async with running_gateway(settings) as gateway:
            logger.info("serving", extra={"port": gateway.port, "backends": settings.backends})
            await shutdown.requested()
            gateway.probes.leaving = True
            await shutdown.lame_duck(settings.lame_duck_seconds)
            logger.info("draining", extra={"drain_seconds": settings.drain_seconds})


def _loop_factory() -> LoopFactory | None:
    """uvloop where it exists; it carries HTTP with less work than asyncio's own loop."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


if __name__ == "__main__":
    run_program(GatewaySettings, main, _loop_factory())
