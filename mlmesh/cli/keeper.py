"""Keeps one program alive: starts it, sees when it is ready, starts it again when it dies."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from asyncio.subprocess import Process
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from mlmesh.cli.journal import Journal
from mlmesh.cli.plan import Program
from mlmesh.cli.process import running_process

CONFIGURATION_ERROR = 2
LAST_LINES = 20
# Lines must arrive while they are news, also through a pipe.
ALWAYS = {"PYTHONUNBUFFERED": "1"}


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    first_seconds: float = 0.5
    """Pause before the first restart; every further one is twice as long."""
    longest_seconds: float = 30.0
    healthy_seconds: float = 60.0
    """A program that was ready for this long starts over with the first pause."""
    attempts: int = 5
    """Deaths before it was ever ready, after which a program is given up."""


class GivenUp(Exception):
    """The mesh cannot go on."""

    def __init__(self, message: str, exit_code: int, lines: Sequence[bytes] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code
        self.lines = tuple(lines)
        """The last that the program printed."""


class Keeper:
    def __init__(
        self, program: Program, folder: Path, journal: Journal, policy: RestartPolicy
    ) -> None:
        self.program = program
        self.ready = asyncio.Event()
        """Set once the program has been ready, and never cleared."""
        self.seconds_to_ready = 0.0
        self.exit_code: int | None = None
        """How the program ended after `stop`; None while it runs, or when it was not running."""
        self.last_lines: deque[bytes] = deque(maxlen=LAST_LINES)
        self._folder = folder
        self._journal = journal
        self._policy = policy
        self._stopping = asyncio.Event()
        self._process: Process | None = None
        self._watching: asyncio.Task[None] | None = None
        self._ready_since: float | None = None

    async def run(self) -> None:
        """Keep the program alive until `stop`; raises GivenUp when that is hopeless."""
        deaths = 0
        pause = self._policy.first_seconds
        while not self._stopping.is_set():
            code = await self._live()
            if self._stopping.is_set():
                self.exit_code = code
                return
            deaths += 1
            self._judge(code, deaths)
            if self._was_healthy():
                pause = self._policy.first_seconds
            self._journal.say(
                f"{self.program.name} ended ({describe_exit(code)}), "
                f"starting it again in {pause:g} s",
                level="warning",
            )
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stopping.wait()
            pause = min(2 * pause, self._policy.longest_seconds)

    def stop(self) -> None:
        """Ask the program to end; it drains first."""
        self._stopping.set()
        if self._watching:
            self._watching.cancel()
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    async def _live(self) -> int:
        """Run the program once and return its exit code."""
        command = (sys.executable, "-m", self.program.name)
        environment = {
            **self.program.defaults,
            **os.environ,
            **ALWAYS,
            **self.program.environment,
        }
        self._ready_since = None
        async with (
            running_process(command, environment, self._folder, self._take) as process,
            asyncio.TaskGroup() as tasks,
        ):
            self._process = process
            self._watching = tasks.create_task(self._watch(time.monotonic()))
            if self._stopping.is_set():  # Since before there was a process to tell.
                self.stop()
            code = await process.wait()
            self._process = None
            self._watching.cancel()
        return code

    async def _watch(self, began: float) -> None:
        await self.program.probe.ready()
        self._ready_since = time.monotonic()
        seconds = self._ready_since - began
        if not self.ready.is_set():
            self.seconds_to_ready = seconds
        self.ready.set()
        self._journal.say(f"{self.program.name} is ready", seconds=round(seconds, 2))

    def _judge(self, code: int, deaths: int) -> None:
        name = self.program.name
        if code == CONFIGURATION_ERROR:
            self._give_up(f"{name} refused its configuration ({describe_exit(code)})", code)
        if not self.ready.is_set() and deaths >= self._policy.attempts:
            self._give_up(
                f"{name} ended {deaths} times without ever being ready ({describe_exit(code)})", 1
            )

    def _give_up(self, message: str, exit_code: int) -> NoReturn:
        self._journal.say(message, level="error")
        raise GivenUp(message, exit_code, self.last_lines)

    def _was_healthy(self) -> bool:
        since = self._ready_since
        return since is not None and time.monotonic() - since >= self._policy.healthy_seconds

    def _take(self, line: bytes) -> None:
        self.last_lines.append(line)
        self._journal.line(self.program.name, line)

    def _signal(self, number: signal.Signals) -> None:
        if self._process:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)


def describe_exit(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
