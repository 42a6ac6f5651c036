"""Several gateways on one port, in processes of their own: more cores for HTTP and JSON."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

from gateway.front import listening
from gateway.settings import GatewaySettings
from gateway.summary import Summary
from gateway.worker import Assignment
from mlmesh.runtime.pages import running_pages
from mlmesh.runtime.program import BAD_CONFIGURATION, BadConfiguration
from mlmesh.runtime.shutdown import Shutdown

logger = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 30.0
HEALTHY_SECONDS = 60.0
"""A worker that lived this long is started again after the first pause."""
GRACE_SECONDS = 5.0
"""Beyond the drain, before a worker that does not leave is killed."""


class Worker:
    """One process, started again when it dies.

    Its socket stays open meanwhile, so that who has connected waits and is not turned away.
    """

    def __init__(self, number: int, listener: socket.socket, settings: GatewaySettings) -> None:
        self.number = number
        self.ops_port: int | None = None
        self.was_ready = False
        self._listener = listener
        self._settings = settings
        self._process: Process | None = None
        self._leaving = False

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    async def keep(self, supervisor_port: int) -> None:
        """Run until it is asked to leave; raises BadConfiguration when it cannot start at all."""
        pause = FIRST_PAUSE_SECONDS
        while not self._leaving:
            began = time.monotonic()
            code = await self._live(supervisor_port)
            if self._leaving:
                return
            if code == BAD_CONFIGURATION:
                raise BadConfiguration(f"worker {self.number} cannot start, see what it logged")
            if time.monotonic() - began >= HEALTHY_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            logger.error(
                "worker ended",
                extra={"worker": self.number, "exit_code": code, "again_in_seconds": pause},
            )
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def leave(self) -> None:
        """Begin with the lame-duck time; asked again, end it."""
        self._leaving = True
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    async def _live(self, supervisor_port: int) -> int:
        """Run the process once and return its exit code."""
        descriptor = self._listener.fileno()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway.worker"),
            stdin=PIPE,
            stdout=PIPE,
            pass_fds=[descriptor],
            # Ctrl-C in the terminal is the supervisor's to pass on.
            start_new_session=True,
        )
        self._process = process
        assert process.stdin is not None
        assert process.stdout is not None
        assignment = Assignment(self.number, descriptor, supervisor_port, self._settings)
        try:
            with suppress(ConnectionError):
                process.stdin.write(assignment.to_json() + b"\n")
                await process.stdin.drain()
            if port := await process.stdout.readline():
                self.ops_port = int(port)
            if self._leaving:
                self.leave()
            return await process.wait()
        except asyncio.CancelledError:
            self.kill()
            await process.wait()
            raise
        finally:
            self.ops_port = None
            self._process = None
            process.stdin.close()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)


@dataclass(frozen=True, slots=True)
class RunningWorkers:
    port: int
    ops_port: int
    workers: Sequence[Worker]
    summary: Summary
    keeping: Sequence[asyncio.Task[None]]

    async def failed(self) -> None:
        """Come back never, or raise why a worker cannot run."""
        done, _ = await asyncio.wait(self.keeping, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    def leave(self) -> None:
        self.summary.leaving = True
        for worker in self.workers:
            worker.leave()

    async def left(self, seconds: float) -> None:
        """Come back when all have gone; those that have not after so many seconds are killed."""
        _, late = await asyncio.wait(self.keeping, timeout=seconds)
        if late:
            logger.error("workers are killed", extra={"count": len(late)})


@asynccontextmanager
async def running_workers(settings: GatewaySettings) -> AsyncIterator[RunningWorkers]:
    """Keep `settings.workers` gateways running inside the block; whatever is left is killed.

    Raises OSError when an address cannot be had.
    """
    async with AsyncExitStack() as stack:
        listeners = [stack.enter_context(listening(settings.http_address, shared=True))]
        port = listeners[0].getsockname()[1]
        address = f"{settings.http_address.rpartition(':')[0]}:{port}"
        listeners += [
            stack.enter_context(listening(address, shared=True, first=False))
            for _ in range(settings.workers - 1)
        ]
        workers = [Worker(n, listener, settings) for n, listener in enumerate(listeners, 1)]
        summary = Summary(workers)
        stack.callback(summary.close)
        ops_port = await stack.enter_async_context(
            running_pages(settings.ops_address, summary.pages())
        )
        keeping = [asyncio.create_task(worker.keep(ops_port)) for worker in workers]
        try:
            yield RunningWorkers(port, ops_port, workers, summary, keeping)
        finally:
            for task in keeping:
                task.cancel()
            await asyncio.gather(*keeping, return_exceptions=True)


async def serve_by_workers(settings: GatewaySettings, shutdown: Shutdown) -> None:
    """Serve until the shutdown is requested, then let every worker leave as a gateway does."""
    async with running_workers(settings) as running:
        logger.info("serving", extra={"port": running.port, "workers": settings.workers})
        requested = asyncio.create_task(shutdown.requested())
        failed = asyncio.create_task(running.failed())
        await asyncio.wait([requested, failed], return_when=asyncio.FIRST_COMPLETED)
        if failed.done():
            requested.cancel()
            failed.result()
        failed.cancel()
        running.leave()
        await shutdown.lame_duck(settings.lame_duck_seconds)
        running.leave()
        await running.left(settings.drain_seconds + GRACE_SECONDS)
