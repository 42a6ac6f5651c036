"""Leaving without harm: wait for the signal, keep serving a while, then let the caller drain."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

logger = logging.getLogger(__name__)


class LeftEarly(Exception):
    """The shutdown was requested before the program was ready."""


class Shutdown:
    """Counts the requests to stop: the first begins the lame-duck time, the second ends it."""

    def __init__(self) -> None:
        self._requested = asyncio.Event()
        self._hurried = asyncio.Event()

    def request(self) -> None:
        (self._hurried if self._requested.is_set() else self._requested).set()

    async def requested(self) -> None:
        await self._requested.wait()

    @asynccontextmanager
    async def ends_the_task(self) -> AsyncIterator[None]:
        """Cancel what is inside when the shutdown is requested; raises LeftEarly then."""
        working = asyncio.current_task()
        assert working is not None

        async def watch() -> None:
            await self.requested()
            working.cancel()

        watching = asyncio.create_task(watch())
        try:
            yield
        except asyncio.CancelledError:
            if not self._requested.is_set():
                raise
            working.uncancel()
            raise LeftEarly from None
        finally:
            watching.cancel()

    async def lame_duck(self, seconds: float) -> None:
        """Go on serving for `seconds`, so that load balancers notice before connections go."""
        logger.info("leaving", extra={"lame_duck_seconds": seconds})
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._hurried.wait()


@contextmanager
def shutdown_on_signals() -> Iterator[Shutdown]:
    """SIGTERM and SIGINT request the shutdown inside the block."""
    shutdown = Shutdown()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, shutdown.request)
    try:
        yield shutdown
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
