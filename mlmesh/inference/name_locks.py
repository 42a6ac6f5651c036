"""A lock for every name that somebody holds one of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from weakref import WeakValueDictionary


class NameLocks:
    """A lock is forgotten when nobody holds it or waits for it."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def __call__(self, *names: str) -> AsyncIterator[None]:
        """Keep others out of these names inside the block."""
        async with AsyncExitStack() as stack:
            # In one order, so that two who want the same names never wait for each other.
            for name in sorted(set(names)):
                lock = self._locks.setdefault(name, asyncio.Lock())
                await stack.enter_async_context(lock)
            yield
