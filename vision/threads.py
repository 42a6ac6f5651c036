"""Threads for work on pictures: few, and on so many pixels at once that memory has a bound."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, ParamSpec, TypeVar

from vision.pixel_room import PixelRoom

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class ImageThreads:
    """pixels: of the pictures that are worked on at once."""

    def __init__(self, pool: Executor, pixels: int) -> None:
        self._pool = pool
        self._room = PixelRoom(pixels)

    async def beside(
        self,
        pixels: int,
        act: Callable[Arguments, Result],
        *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> Result:
        """Call `act`, which works on so many pixels, in a thread once there is room for them."""
        await self._room.enter(pixels)
        loop = asyncio.get_running_loop()

        def leave(_: Future[Any]) -> None:
            loop.call_soon_threadsafe(self._room.leave, pixels)

        working = self._pool.submit(partial(act, *arguments, **named))
        # When the thread is done with them, which may be after the caller went.
        working.add_done_callback(leave)
        return await asyncio.wrap_future(working)


@asynccontextmanager
async def image_threads(threads: int, pixels: int) -> AsyncIterator[ImageThreads]:
    """So many threads, for so many pixels at once; what they have begun is ended with the block."""
    pool = ThreadPoolExecutor(threads, thread_name_prefix="images")
    try:
        yield ImageThreads(pool, pixels)
    finally:
        await asyncio.to_thread(pool.shutdown, cancel_futures=True)
