"""`python -m gateway.worker`: one of several gateways on one port, as its supervisor tells it.

It reads what it is to do from stdin, and leaves when that closes, so that it never outlives its
supervisor.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from dataclasses import dataclass
from functools import partial

import orjson

from gateway.loop import loop_factory
from gateway.page import AnyPage
from gateway.running import running_gateway
from gateway.settings import GatewaySettings
from gateway.summary import LOOPBACK, page_at
from mlmesh.runtime.garbage import look_seldom
from mlmesh.runtime.pages import AcceptPage
from mlmesh.runtime.program import run_with
from mlmesh.runtime.shutdown import Shutdown, shutdown_on_signals

logger = logging.getLogger(__name__)

OPS_ADDRESS = "127.0.0.1:0"
SHARED_PAGES = ("/health", "/metrics")
"""Whose answer is about all workers, whichever is asked."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a worker is told."""

    number: int
    descriptor: int
    """The file descriptor of its listening socket."""
    ops_port: int
    """Of the supervisor."""
    settings: GatewaySettings

    def to_json(self) -> bytes:
        settings = self.settings.model_dump(mode="json")
        return orjson.dumps([self.number, self.descriptor, self.ops_port, settings])


def assignment_of(line: str) -> Assignment:
    number, descriptor, ops_port, fields = orjson.loads(line)
    settings = GatewaySettings.model_validate(fields)
    return Assignment(number, descriptor, ops_port, settings)


def settings_of(settings: GatewaySettings, number: int) -> GatewaySettings:
    """One worker's own: two cannot write to one input log, nor listen on one ops port."""
    log = settings.input_log
    own_log = log.with_name(f"{log.stem}-{number}{log.suffix}")
    return settings.model_copy(update={"ops_address": OPS_ADDRESS, "input_log": own_log})


async def main(assignment: Assignment) -> None:
    settings = assignment.settings
    host = _reachable_host(settings.ops_address)
    pages: dict[str, AnyPage] = {
        path: AcceptPage(partial(page_at, assignment.ops_port, path, host=host))
        for path in SHARED_PAGES
    }
    with shutdown_on_signals() as shutdown, socket.socket(fileno=assignment.descriptor) as listener:
        own = settings_of(settings, assignment.number)
        async with running_gateway(own, listener, pages) as gateway:
            look_seldom()
            print(gateway.ops_port, flush=True)
            logger.info("serving", extra={"port": gateway.port, "worker": assignment.number})
            _leave_when_orphaned(shutdown)
            await shutdown.requested()
            gateway.probes.leaving = True
            await shutdown.lame_duck(settings.lame_duck_seconds)
            logger.info("draining", extra={"drain_seconds": settings.drain_seconds})


def _reachable_host(address: str) -> str:
    """Where to reach what listens on `address`, which may stand for all addresses."""
    host = address.rpartition(":")[0].strip("[]")
    return {"0.0.0.0": LOOPBACK, "::": "::1"}.get(host, host)


def _leave_when_orphaned(shutdown: Shutdown) -> None:
    loop = asyncio.get_running_loop()

    def orphaned() -> None:
        loop.remove_reader(sys.stdin)
        shutdown.request()

    # Nothing more is ever written there: what can be read is the end.
    loop.add_reader(sys.stdin, orphaned)


if __name__ == "__main__":
    assigned = assignment_of(sys.stdin.readline())
    run_with(assigned.settings, partial(main, assigned), loop_factory())
