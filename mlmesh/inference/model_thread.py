"""The thread that a session runs in."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

Result = TypeVar("Result")


class ModelThread:
    """Does one piece of work after the other, each for who waits for it on the event loop.

    An executor does the same at three times the price, 40 us more for a batch: with a lock, a
    condition and a future of its own around every piece.
    """

    def __init__(self, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._work: SimpleQueue[tuple[Callable[[], Any], asyncio.Future[Any]] | None]
        self._work = SimpleQueue()
        # Whoever closes it waits for it; a program that broke off must not, for there is no end.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def do(self, work: Callable[[], Result]) -> Result:
        """What `work` gives or raises. Whoever gives up waiting does not end it."""
        told: asyncio.Future[Result] = self._loop.create_future()
        self._work.put((work, told))
        return await told

    async def close(self) -> None:
        """Come back when all work is done; there may be no more."""
        self._work.put(None)
        # Not on the loop's thread: a run that is told to stop ends when its operator does.
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while (piece := self._work.get()) is not None:
            work, told = piece
            result, error = None, None
            try:
                result = work()
            except BaseException as failure:
                error = failure
            self._loop.call_soon_threadsafe(_tell, told, result, error)
            # Not kept while there is nothing to do.
            del piece, work, told, result, error


def _tell(told: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if told.done():
        # Nobody waits any more.
        return
    if error is None:
        told.set_result(result)
    elif isinstance(error, StopIteration):
        # No future takes one before Python 3.12.
        told.set_exception(RuntimeError(f"the work raised {error!r}"))
    else:
        told.set_exception(error)
