"""Room for the messages of one stream that are under way: for so many, and for so many bytes."""

from __future__ import annotations

import asyncio

MAX_BYTES = 16 * 2**20
"""Of the requests of one stream that were read and whose answers were not taken yet."""


class Room:
    """One task enters messages; whoever takes an answer lets its message leave.

    A message that is larger than the whole room waits until it is alone.
    """

    def __init__(self, messages: int, nbytes: int = MAX_BYTES) -> None:
        self._messages = messages
        self._bytes = nbytes
        self._count = 0
        self._held = 0
        self._left = asyncio.Event()

    async def enter(self, nbytes: int) -> None:
        """Wait for a place for a message of this size."""
        while self._count and not self._has_place(nbytes):
            self._left.clear()
            await self._left.wait()
        self._count += 1
        self._held += nbytes

    def leave(self, nbytes: int) -> None:
        """Give up the place of a message of this size."""
        self._count -= 1
        self._held -= nbytes
        self._left.set()

    def _has_place(self, nbytes: int) -> bool:
        return self._count < self._messages and self._held + nbytes <= self._bytes
