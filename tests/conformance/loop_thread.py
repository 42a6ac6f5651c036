"""An event loop beside the tests, so that clients that block can ask servers that do not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, TypeVar

Result = TypeVar("Result")

SECONDS = 60.0


class LoopThread:
    """An event loop in a thread of its own; a context manager."""

    def __enter__(self) -> LoopThread:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="conformance")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self._loop.shutdown_asyncgens())
        self.run(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """What `work` gives, run on this loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(SECONDS)

    @contextmanager
    def inside(self, context: AbstractAsyncContextManager[Result]) -> Iterator[Result]:
        """An asynchronous context, entered and left by one task on this loop."""
        entered: Future[Result] = Future()
        leave = asyncio.Event()

        async def hold() -> None:
            async with context as value:
                entered.set_result(value)
                await leave.wait()

        holding = asyncio.run_coroutine_threadsafe(hold(), self._loop)
        futures: list[Future[Any]] = [entered, holding]
        wait(futures, SECONDS, FIRST_COMPLETED)
        if holding.done():
            holding.result()
        try:
            yield entered.result(0)
        finally:
            self._loop.call_soon_threadsafe(leave.set)
            holding.result(SECONDS)
