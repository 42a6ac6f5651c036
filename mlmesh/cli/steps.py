"""The steps of something long, as they are taken, with how long each took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.status import Status
from rich.text import Text


class Steps:
    """Called with the name of the next step."""

    def __init__(self, console: Console, status: Status) -> None:
        self._console = console
        self._status = status
        self._current = ""
        self._began = 0.0

    def __call__(self, step: str) -> None:
        self.end()
        self._current, self._began = step, time.monotonic()
        self._status.update(Text(step))

    def end(self) -> None:
        """The step under way is done."""
        if self._current:
            seconds = time.monotonic() - self._began
            line = Text.assemble(("done ", "green"), self._current, (f"  {seconds:.1f} s", "dim"))
            self._console.print(line)
            self._current = ""


@contextmanager
def showing_steps(console: Console) -> Iterator[Steps]:
    """Show what is being done; a step that is left by an error does not count as done."""
    with console.status("") as status:
        steps = Steps(console, status)
        yield steps
        steps.end()
