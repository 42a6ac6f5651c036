from __future__ import annotations

import asyncio
import signal

import pytest

from mlmesh.cli.interrupts import caught_interrupts


@pytest.mark.parametrize(
    ("number", "insisted"),
    [(signal.SIGINT, True), (signal.SIGTERM, True), (signal.SIGHUP, False)],
)
async def test_the_second_one_insists_unless_a_terminal_was_closed(
    number: signal.Signals, insisted: bool
) -> None:
    # Tests that are run by nohup ignore it.
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    loop, handled = asyncio.get_running_loop(), asyncio.Event()
    # Signals are handled in the order in which they came.
    loop.add_signal_handler(signal.SIGUSR1, handled.set)

    with caught_interrupts() as interrupts:
        for one in (number, number, signal.SIGUSR1):
            signal.raise_signal(one)
        await asyncio.wait_for(handled.wait(), 10)
    loop.remove_signal_handler(signal.SIGUSR1)
    signal.signal(signal.SIGHUP, before)

    assert interrupts.asked.is_set()
    assert interrupts.insisted.is_set() == insisted
