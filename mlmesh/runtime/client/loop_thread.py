"""An event loop in a thread of its own, for threads that have work for it."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Generic, TypeVar

State = TypeVar("State")


class LoopThread(Generic[State]):
    """state: what the loop holds open; only the loop's own thread touches it."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._loop = asyncio.get_running_loop()
        self._posted: deque[tuple[Callable[[State], None], Callable[[], None]]] = deque()
        self._woken = False
        self._ended = False

    def post(self, errand: Callable[[State], None], missed: Callable[[], None]) -> None:
        """Have the loop do this soon, in the order of posting; missed: called, by any thread, when
        the loop ends before."""
        self._posted.append((errand, missed))
        if self._ended:
            self._miss()
        elif not self._woken:
            # Waking a loop costs more than an errand: those that come together wake it once.
            self._woken = True
            self._loop.call_soon_threadsafe(self._run)

    def end(self) -> None:
        """Do nothing more; for the loop's own thread."""
        self._ended = True
        self._miss()

    def _run(self) -> None:
        # Before the first is taken, so that what comes meanwhile wakes the loop again.
        self._woken = False
        for _ in range(len(self._posted)):
            errand, _ = self._posted.popleft()
            errand(self._state)

    def _miss(self) -> None:
        # Two threads may be here at once, and pops are whole.
        while self._posted:
            try:
                _, missed = self._posted.popleft()
            except IndexError:
                return
            missed()


@contextmanager
def loop_thread(
    opened: Callable[[], AbstractAsyncContextManager[State]],
) -> Iterator[LoopThread[State]]:
    """opened: entered and left in the loop; what it raises is raised here."""
    started: Future[tuple[LoopThread[State], Callable[[], object]]] = Future()

    async def live() -> None:
        leaving = asyncio.Event()
        loop = asyncio.get_running_loop()
        async with opened() as state:
            thread = LoopThread(state)
            started.set_result((thread, lambda: loop.call_soon_threadsafe(leaving.set)))
            await leaving.wait()
            thread.end()

    def run() -> None:
        try:
            asyncio.run(live())
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    process = os.getpid()
    # A daemon: a program that forgets to close its channel ends all the same.
    running = threading.Thread(target=run, name="mlmesh-client", daemon=True)
    running.start()
    thread, leave = started.result()
    try:
        yield thread
    finally:
        # A forked child has a copy of this block, and no such thread.
        if os.getpid() == process:
            leave()
            running.join()
