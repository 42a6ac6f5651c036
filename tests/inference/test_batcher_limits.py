from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence

import pytest

from mlmesh.inference.batcher import Batcher, QueueLimits
from mlmesh.inference.stop import Stop
from mlmesh.runtime.errors import DeadlineExceeded, Overloaded, TooLarge
from tests.inference.recorder import Recorder, queued

HUNDRED_BYTES = QueueLimits(max_batch=1, max_waiting_bytes=100)


async def heavy(batcher: Batcher[int, int], *items: int, nbytes: int) -> list[asyncio.Task[int]]:
    tasks = [asyncio.create_task(batcher.submit(item, nbytes=nbytes)) for item in items]
    await asyncio.sleep(0)
    return tasks


async def test_bytes_that_do_not_fit_are_refused_at_once() -> None:
    run = Recorder()
    async with Batcher(run, limits=HUNDRED_BYTES) as batcher:
        running = await heavy(batcher, 1, nbytes=100)
        await run.began.wait()
        waiting = await heavy(batcher, 2, 3, nbytes=50)

        with pytest.raises(Overloaded, match="100 bytes are waiting for this model") as refused:
            await asyncio.wait_for(batcher.submit(4, nbytes=1), 5)
        run.gate.set()

        assert await asyncio.gather(*running, *waiting) == [2, 4, 6]
    assert 1 <= refused.value.retry_after <= 2


async def test_bytes_that_never_fit_are_called_too_large_even_when_nobody_waits() -> None:
    async with Batcher(Recorder(), limits=HUNDRED_BYTES) as batcher:
        with pytest.raises(TooLarge, match="101 bytes at once, the most that may wait is 100"):
            await batcher.submit(1, nbytes=101)


async def test_items_without_bytes_wait_behind_many_bytes() -> None:
    run = Recorder()
    async with Batcher(run, limits=HUNDRED_BYTES) as batcher:
        running = await heavy(batcher, 1, nbytes=0)
        await run.began.wait()
        waiting = await heavy(batcher, 2, nbytes=100)
        more = await queued(batcher, 3)
        run.gate.set()

        assert await asyncio.gather(*running, *waiting, *more) == [2, 4, 6]


async def test_bytes_are_free_again_when_their_item_is_taken() -> None:
    run = Recorder()
    async with Batcher(run, limits=HUNDRED_BYTES) as batcher:
        running = await heavy(batcher, 1, nbytes=100)
        await run.began.wait()
        waiting = await heavy(batcher, 2, nbytes=100)
        run.gate.set()

        assert await asyncio.gather(*running, *waiting) == [2, 4]
        assert await batcher.submit(3, nbytes=100) == 6


async def test_bytes_are_free_again_when_their_caller_hangs_up() -> None:
    run = Recorder()
    async with Batcher(run, limits=HUNDRED_BYTES) as batcher:
        running = await heavy(batcher, 1, nbytes=1)
        await run.began.wait()
        [given_up] = await heavy(batcher, 2, nbytes=100)
        given_up.cancel()
        await asyncio.wait([given_up])
        later = await heavy(batcher, 3, nbytes=100)
        run.gate.set()

        assert await asyncio.gather(*running, *later) == [2, 6]
    assert run.batches == [[1], [3]]


async def test_bytes_are_free_again_when_their_item_is_dropped_as_late() -> None:
    run = Recorder()
    async with Batcher(run, limits=HUNDRED_BYTES) as batcher:
        running = await queued(batcher, 1)
        await run.began.wait()
        late = asyncio.create_task(batcher.submit(2, nbytes=100, deadline=time.monotonic() + 0.01))
        await asyncio.sleep(0.1)
        run.gate.set()
        with pytest.raises(DeadlineExceeded):
            await late
        await asyncio.gather(*running)

        assert await batcher.submit(3, nbytes=100) == 6


async def test_whatever_becomes_of_items_the_whole_queue_is_free_in_the_end() -> None:
    """Answered, failed, hung up early or during a run, late, refused: nothing is kept."""

    async def run(items: Sequence[int], stop: Stop) -> Sequence[int]:
        await asyncio.sleep(0.001)
        if any(item < 0 for item in items):
            raise ValueError("poison")
        return items

    chance = random.Random(0)
    limits = QueueLimits(max_batch=4, max_waiting=60, max_waiting_bytes=600)

    async with Batcher(run, run, limits=limits) as batcher:

        async def one(item: int) -> None:
            await asyncio.sleep(chance.uniform(0, 0.1))
            submitted = batcher.submit(
                chance.choice([item, -item]),
                chance.randint(1, 3),
                nbytes=chance.randint(0, 40),
                key=chance.randint(0, 1),
                deadline=time.monotonic() + chance.uniform(0, 0.05),
            )
            await asyncio.wait_for(submitted, chance.uniform(0.0001, 0.05))

        await asyncio.gather(*(one(item) for item in range(1, 500)), return_exceptions=True)

        # All places and all bytes at once.
        assert await batcher.submit(1, 60, nbytes=600) == 1


async def test_an_idle_model_takes_what_fits_whatever_was_thought_of_the_run_before() -> None:
    """A run of which seconds were expected, and that ended at once, leaves nothing behind."""
    seconds = 0.3

    async def run(items: Sequence[int], stop: Stop) -> Sequence[int]:
        await asyncio.sleep(seconds * len(items))
        return items

    async with Batcher(run, limits=QueueLimits(max_batch=64)) as batcher:
        for count in (1, 2):
            await asyncio.gather(*(batcher.submit(number) for number in range(count)))
        seconds = 0
        # Twenty seconds are expected of this one.
        assert await batcher.submit(1, 64) == 1

        # Of the next one a part of a second, and nothing runs before it.
        assert await batcher.submit(2, deadline=time.monotonic() + 10) == 2
