"""A thread that does what it is given, and is not in the way of the end."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Callable

import pytest

from mlmesh.inference.model_thread import ModelThread

BROKEN_OFF = """
import asyncio
from mlmesh.inference.model_thread import ModelThread

async def main():
    await ModelThread("left").do(int)
    raise SystemExit(3)

asyncio.run(main())
"""


@pytest.fixture
async def thread() -> AsyncIterator[ModelThread]:
    thread = ModelThread("tested")
    yield thread
    await thread.close()


def raising(error: BaseException) -> Callable[[], None]:
    def work() -> None:
        raise error

    return work


async def test_work_is_done_in_order_in_one_thread_of_that_name(thread: ModelThread) -> None:
    names: list[tuple[int, str]] = []

    def work(number: int) -> int:
        names.append((number, threading.current_thread().name))
        return number

    given = [thread.do(lambda number=number: work(number)) for number in range(4)]  # type: ignore[misc]

    assert await asyncio.gather(*given) == [0, 1, 2, 3]
    assert names == [(number, "tested") for number in range(4)]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("no"), ValueError),
        (StopIteration("no"), RuntimeError),
        (asyncio.CancelledError(), asyncio.CancelledError),
    ],
)
async def test_what_work_raises_is_told_and_the_next_is_done(
    thread: ModelThread, error: BaseException, told: type[BaseException]
) -> None:
    with pytest.raises(told):
        await asyncio.wait_for(thread.do(raising(error)), 10)

    assert await asyncio.wait_for(thread.do(lambda: 1), 10) == 1


async def test_work_that_nobody_waits_for_ends_before_the_thread_is_closed() -> None:
    thread = ModelThread("tested")
    begun, may_end = threading.Event(), threading.Event()
    ended: list[bool] = []

    def work() -> None:
        begun.set()
        ended.append(may_end.wait(10))

    waiting = asyncio.create_task(thread.do(work))
    assert await asyncio.to_thread(begun.wait, 10)
    waiting.cancel()
    closing = asyncio.create_task(thread.close())
    await asyncio.sleep(0.05)

    assert not closing.done()
    may_end.set()
    await asyncio.wait_for(closing, 10)
    assert ended == [True]


async def test_a_program_that_broke_off_ends() -> None:
    program = await asyncio.create_subprocess_exec(sys.executable, "-c", BROKEN_OFF)
    try:
        assert await asyncio.wait_for(program.wait(), 20) == 3
    finally:
        if program.returncode is None:
            program.kill()
            await program.wait()
