"""The one log of `mlmesh up`: what every program prints, and what the supervisor has to say."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from io import TextIOWrapper
from typing import Any

from rich.console import Console

from mlmesh.cli.record import DIM, Paint, describe, readable

OWN_NAME = "mlmesh"
STYLES = ("36", "35", "32", "34", "33")
STDOUT = 1
REFRESH_SECONDS = 0.5
REMINDER_SECONDS = 10.0


class Journal:
    """Writes lines to stdout, each behind the name of its program.

    `raw` passes the programs' lines on as they are, and says its own in JSON as they do.
    `on_lost` is called once when nobody reads stdout any more.
    """

    def __init__(
        self, console: Console, names: Iterable[str], *, raw: bool, on_lost: Callable[[], None]
    ) -> None:
        self._console = console
        self._raw = raw
        self._on_lost = on_lost
        if isinstance(sys.stdout, TextIOWrapper):
            # A program may print what the terminal's encoding, or any, cannot express.
            sys.stdout.reconfigure(errors="backslashreplace")
        coloured = console.color_system is not None and not console.no_color
        self.paint = Paint(coloured and not raw)
        names = [OWN_NAME, *names]
        self._width = max(map(len, names))
        self._styles = dict(zip(names, ("1", *_cycle(STYLES, len(names))), strict=False))

    def line(self, program: str, line: bytes) -> None:
        """Write a line that a program printed."""
        if self._raw:
            self._write(line + b"\n")
        else:
            self._prefixed(program, readable(line, self.paint))

    def say(self, event: str, *, level: str = "info", **fields: Any) -> None:
        """Write an event of the supervisor's own."""
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        record = {"time": time, "level": level, "logger": "mlmesh.up", "event": event, **fields}
        if self._raw:
            self._write(json.dumps(record).encode() + b"\n")
        else:
            del record["logger"]  # The name in front says as much.
            self._prefixed(OWN_NAME, describe(record, self.paint))

    @asynccontextmanager
    async def waiting(self, describe_wait: Callable[[], str]) -> AsyncIterator[None]:
        """Keep saying what is being waited for, until the block ends."""
        show = self._show_wait if self._console.is_terminal and not self._raw else self._remind
        task = asyncio.create_task(show(describe_wait))
        try:
            yield
        finally:
            task.cancel()
            # A terminal that is gone is no reason to stop without order.
            with suppress(asyncio.CancelledError, OSError):
                await task

    async def _show_wait(self, describe_wait: Callable[[], str]) -> None:
        # While this is up, rich moves what we write to stdout above its line.
        with self._console.status(describe_wait()) as status:
            while True:
                await asyncio.sleep(REFRESH_SECONDS)
                status.update(describe_wait())

    async def _remind(self, describe_wait: Callable[[], str]) -> None:
        while True:
            self.say(describe_wait())
            await asyncio.sleep(REMINDER_SECONDS)

    def _prefixed(self, name: str, lines: Iterable[str]) -> None:
        prefix = self.paint(f"{name:<{self._width}}", self._styles[name])
        prefix += self.paint(" | ", DIM)
        self._write("".join(f"{prefix}{line}\n" for line in lines))

    def _write(self, content: str | bytes) -> None:
        try:
            if isinstance(content, bytes):
                sys.stdout.buffer.write(content)
            else:
                sys.stdout.write(content)
            sys.stdout.flush()
        except OSError:
            # The reader of a pipe went away, or the terminal did.
            os.dup2(os.open(os.devnull, os.O_WRONLY), STDOUT)
            self._on_lost()


def _cycle(styles: tuple[str, ...], count: int) -> tuple[str, ...]:
    return styles * (count // len(styles) + 1)
