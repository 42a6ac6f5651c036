"""All programs of a plan: started together, stopped in order.

The gateway stops first, so that what it has accepted is still answered by the services.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from mlmesh.cli.interrupts import Interrupts
from mlmesh.cli.journal import Journal
from mlmesh.cli.keeper import GivenUp, Keeper, RestartPolicy, describe_exit
from mlmesh.cli.plan import Plan

STOP_SECONDS = 30.0
"""Time that the gateway, and then the services, get to drain."""


class Supervisor:
    def __init__(self, tasks: Mapping[Keeper, asyncio.Task[None]], interrupts: Interrupts) -> None:
        self._tasks = tasks
        self._interrupts = interrupts
        self._began = time.monotonic()

    @property
    def keepers(self) -> tuple[Keeper, ...]:
        return tuple(self._tasks)

    def describe_wait(self) -> str:
        names = ", ".join(keeper.program.name for keeper in self._late())
        return f"waiting for {names} ({time.monotonic() - self._began:.0f} s)"

    async def ready(self, seconds: float) -> bool:
        """Wait until every program is ready; False when asked to stop before that.

        Raises GivenUp when a program cannot start, or has not within `seconds`.
        """
        if not await self._first(asyncio.create_task(self._all_ready()), seconds):
            late = self._late()
            names = ", ".join(keeper.program.name for keeper in late)
            raise GivenUp(f"{names}: not ready after {seconds:g} s", 1, late[0].last_lines)
        return not self._interrupts.asked.is_set()

    async def asked_to_stop(self) -> None:
        """Wait for Ctrl-C or SIGTERM; raises GivenUp when a program cannot be kept alive."""
        await self._first(asyncio.get_running_loop().create_future(), None)

    def clean(self) -> bool:
        """Whether every program ended as asked."""
        asked = (None, 0, -signal.SIGTERM)
        return all(keeper.exit_code in asked for keeper in self._tasks)

    async def _all_ready(self) -> None:
        for keeper in self._tasks:
            await keeper.ready.wait()

    def _late(self) -> Sequence[Keeper]:
        return [keeper for keeper in self._tasks if not keeper.ready.is_set()]

    async def _first(self, event: asyncio.Future[Any], seconds: float | None) -> bool:
        """Wait for `event`, a request to stop or a program given up; False when none came."""
        asked = asyncio.ensure_future(self._interrupts.asked.wait())
        try:
            done, _ = await asyncio.wait(
                [event, asked, *self._tasks.values()],
                timeout=seconds,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            event.cancel()
            asked.cancel()
        for task in self._tasks.values():
            if task.done():
                task.result()
        return bool(done)


@asynccontextmanager
async def supervised(
    plan: Plan,
    journal: Journal,
    interrupts: Interrupts,
    policy: RestartPolicy | None = None,
    stop_seconds: float = STOP_SECONDS,
) -> AsyncIterator[Supervisor]:
    """Run the plan's programs inside the block."""
    services, gateway = (
        [Keeper(program, plan.root, journal, policy or RestartPolicy()) for program in programs]
        for programs in (plan.services, [plan.gateway] if plan.gateway else [])
    )
    tasks = {keeper: asyncio.create_task(keeper.run()) for keeper in (*services, *gateway)}
    try:
        yield Supervisor(tasks, interrupts)
    finally:
        interrupts.asked.set()  # Whatever ended the block: from here on, Ctrl-C insists.
        for stage in (gateway, services):
            running = {keeper: tasks[keeper] for keeper in stage}
            await _stop(running, journal, interrupts, stop_seconds)


async def _stop(
    tasks: Mapping[Keeper, asyncio.Task[None]],
    journal: Journal,
    interrupts: Interrupts,
    seconds: float,
) -> None:
    began = time.monotonic()

    def describe_wait() -> str:
        names = ", ".join(keeper.program.name for keeper in _left(tasks))
        waited = time.monotonic() - began
        return f"stopping {names} ({waited:.0f} of {seconds:g} s, Ctrl-C to kill)"

    for keeper in tasks:
        keeper.stop()
    if _left(tasks):
        async with journal.waiting(describe_wait):
            await _either(asyncio.wait(tasks.values()), interrupts.insisted.wait(), seconds)
    for keeper in _left(tasks):
        journal.say(f"killing {keeper.program.name}", level="warning")
        keeper.kill()
    await asyncio.gather(*tasks.values(), return_exceptions=True)
    for keeper in tasks:
        if keeper.exit_code is not None:
            journal.say(f"{keeper.program.name} stopped ({describe_exit(keeper.exit_code)})")


def _left(tasks: Mapping[Keeper, asyncio.Task[None]]) -> Sequence[Keeper]:
    return [keeper for keeper, task in tasks.items() if not task.done()]


async def _either(
    one: Coroutine[Any, Any, Any], other: Coroutine[Any, Any, Any], seconds: float
) -> None:
    """Wait for one of two things, for at most so long."""
    both = [asyncio.ensure_future(one), asyncio.ensure_future(other)]
    try:
        await asyncio.wait(both, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for waiting in both:
            waiting.cancel()
