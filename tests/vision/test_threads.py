from __future__ import annotations

import asyncio
import threading

import pytest

from vision.threads import image_threads

SECONDS = 10


class Slow:
    """Work that goes on until it is let go; counts how much is under way."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.begun = threading.Semaphore(0)
        self.most = self._now = 0
        self._lock = threading.Lock()

    def __call__(self) -> str:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        self.begun.release()
        self.go.wait(SECONDS)
        with self._lock:
            self._now -= 1
        return threading.current_thread().name


async def test_work_is_done_in_threads_of_its_own() -> None:
    async with image_threads(1, 100) as threads:
        name = await threads.beside(1, threading.current_thread)

    assert name is not threading.current_thread()


async def test_no_more_pixels_are_worked_on_at_once_than_there_is_room_for() -> None:
    slow = Slow()
    async with image_threads(8, 100) as threads:
        working = [asyncio.create_task(threads.beside(40, slow)) for _ in range(5)]
        await asyncio.to_thread(slow.begun.acquire)
        await asyncio.to_thread(slow.begun.acquire)
        slow.go.set()
        await asyncio.gather(*working)

    assert slow.most == 2


async def test_pixels_count_until_their_thread_is_done_even_if_the_caller_went() -> None:
    slow = Slow()
    async with image_threads(8, 100) as threads:
        gone = asyncio.create_task(threads.beside(100, slow))
        await asyncio.to_thread(slow.begun.acquire)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        next_one = asyncio.create_task(threads.beside(1, str))
        await asyncio.sleep(0.05)
        waited = not next_one.done()
        slow.go.set()
        await asyncio.wait_for(next_one, SECONDS)

    assert waited


async def test_work_that_fails_gives_its_room_back() -> None:
    async with image_threads(1, 100) as threads:
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await threads.beside(100, lambda: 1 / 0)
