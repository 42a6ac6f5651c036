"""Ctrl-C and its kin: the first asks to stop, the second insists."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Interrupts:
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    """Stop, in order."""
    insisted: asyncio.Event = field(default_factory=asyncio.Event)
    """Stop now."""

    def note(self) -> None:
        (self.insisted if self.asked.is_set() else self.asked).set()


@contextmanager
def caught_interrupts() -> Iterator[Interrupts]:
    """Turn the signals that end a process into events, inside the block."""
    loop = asyncio.get_running_loop()
    interrupts = Interrupts()
    caught = {signal.SIGINT: interrupts.note, signal.SIGTERM: interrupts.note}
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # As nohup has it.
        # Nobody insists by closing a terminal, which asks twice: output that is lost asks, too.
        caught[signal.SIGHUP] = interrupts.asked.set
    for number, note in caught.items():
        loop.add_signal_handler(number, note)
    try:
        yield interrupts
    finally:
        for number in caught:
            loop.remove_signal_handler(number)
