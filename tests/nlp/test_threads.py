from __future__ import annotations

import asyncio
import threading
import time

from nlp.threads import INLINE_CHARACTERS, LARGE_CHARACTERS, beside


async def test_work_on_short_texts_stays_where_it_is() -> None:
    assert await beside(INLINE_CHARACTERS, threading.current_thread) is threading.main_thread()


async def test_work_on_longer_texts_leaves_the_event_loop_alone() -> None:
    for characters in (INLINE_CHARACTERS + 1, LARGE_CHARACTERS):
        assert await beside(characters, threading.current_thread) is not threading.main_thread()


async def test_large_texts_are_worked_on_one_at_a_time() -> None:
    at_once: list[int] = []
    working = 0

    def work() -> None:
        nonlocal working
        working += 1
        time.sleep(0.01)
        at_once.append(working)
        working -= 1

    await asyncio.gather(*(beside(LARGE_CHARACTERS, work) for _ in range(5)))

    assert at_once == [1] * 5


async def test_nobody_else_waits_for_a_large_text() -> None:
    done = threading.Event()
    large = asyncio.create_task(beside(LARGE_CHARACTERS, done.wait, 10))

    await beside(LARGE_CHARACTERS - 1, done.set)

    assert await large
