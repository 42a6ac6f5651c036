"""Room for the pixels that are being worked on; who comes first gets in first."""

from __future__ import annotations

import asyncio
from collections import deque


class PixelRoom:
    """A picture that is larger than the whole room waits until it is alone."""

    def __init__(self, pixels: int) -> None:
        self._pixels = pixels
        self._held = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def enter(self, pixels: int) -> None:
        """Wait for room for so many pixels."""
        if not self._waiting and self._fits(pixels):
            self._held += pixels
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((pixels, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._held -= pixels
            self._admit()
            raise

    def leave(self, pixels: int) -> None:
        """Give up room that was entered."""
        self._held -= pixels
        self._admit()

    def _admit(self) -> None:
        while self._waiting:
            pixels, turn = self._waiting[0]
            if not turn.cancelled():
                if not self._fits(pixels):
                    return
                self._held += pixels
                turn.set_result(None)
            self._waiting.popleft()

    def _fits(self, pixels: int) -> bool:
        return not self._held or self._held + pixels <= self._pixels
