from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Sequence

import pytest

from mlmesh.inference.batcher import UNLOADED, Batcher, QueueLimits
from mlmesh.inference.stop import Stop
from mlmesh.runtime.errors import Unavailable
from tests.inference.recorder import Recorder, queued


async def ends_of(tasks: Sequence[asyncio.Task[int]]) -> list[int | BaseException]:
    return await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 20)


async def test_what_runs_and_what_waits_is_told_that_the_version_went() -> None:
    run = Recorder()
    async with Batcher(run, limits=QueueLimits(max_batch=2)) as batcher:
        tasks = await queued(batcher, 1, 2, 3, 4, 5)
        await run.began.wait()

    ends = await ends_of(tasks)

    assert [(type(end), str(end)) for end in ends] == [(Unavailable, UNLOADED)] * 5
    assert run.batches == [[1, 2]]


async def test_what_comes_afterwards_is_told_so_at_once() -> None:
    async with Batcher(Recorder()) as batcher:
        pass

    for _ in range(3):
        with pytest.raises(Unavailable, match="unloaded, try again"):
            await asyncio.wait_for(batcher.submit(1), 5)


async def test_those_whose_turn_had_not_come_in_a_failed_batch_are_told_too() -> None:
    """The batch failed, its first half runs again, and the version goes: the second half waits."""
    ran: list[list[int]] = []
    half = asyncio.Event()

    async def run(items: Sequence[int], stop: Stop) -> Sequence[int]:
        ran.append(list(items))
        if len(items) == 8:
            raise ValueError("somewhere here")
        half.set()
        await asyncio.Event().wait()
        return items

    async with Batcher(run) as batcher:
        tasks = await queued(batcher, *range(8))
        await half.wait()

    ends = await ends_of(tasks)

    assert [type(end) for end in ends] == [Unavailable] * 8
    assert ran == [[*range(8)], [0, 1, 2, 3]]


async def test_whoever_still_knows_the_batcher_does_not_keep_its_models() -> None:
    """In the service, a runner holds a graph of many gigabytes."""
    run = Recorder()
    run.gate.set()
    gone = weakref.ref(run)
    async with Batcher(run) as batcher:
        await batcher.submit(1)

    del run
    gc.collect()

    assert gone() is None
    with pytest.raises(Unavailable):
        await batcher.submit(1)


async def test_hang_ups_behind_a_slow_model_cost_it_next_to_nothing() -> None:
    """200 wait, 150 of them hang up: the others are answered, and hardly anybody else is run."""
    ran: list[int] = []
    began = asyncio.Event()
    gate = asyncio.Event()

    async def slow(items: Sequence[int], stop: Stop) -> Sequence[int]:
        ran.extend(items)
        began.set()
        await gate.wait()
        await asyncio.sleep(0.001 * len(items))
        return [item * 2 for item in items]

    async with Batcher(slow, limits=QueueLimits(max_batch=4)) as batcher:
        tasks = await queued(batcher, *range(200))
        await began.wait()
        leaving = [number for number in range(200) if number % 4]
        for number in leaving:
            tasks[number].cancel()
        await asyncio.wait([tasks[number] for number in leaving])
        gate.set()

        staying = [number for number in range(200) if not number % 4]
        answers = await asyncio.wait_for(asyncio.gather(*(tasks[n] for n in staying)), 20)

        assert answers == [number * 2 for number in staying]
        # Only those that ran when they hung up.
        assert set(ran) - set(staying) == {1, 2, 3}
        assert len(ran) == 53
        # Nothing is left of them: a full queue fits.
        assert await asyncio.wait_for(batcher.submit(1, 4096), 20) == 2


async def test_hang_ups_while_batches_run_never_take_an_answer_from_those_who_stay() -> None:
    ran: list[int] = []

    async def slow(items: Sequence[int], stop: Stop) -> Sequence[int]:
        ran.extend(items)
        await asyncio.sleep(0.002)
        return [item * 2 for item in items]

    async with Batcher(slow, slow, limits=QueueLimits(max_batch=4)) as batcher:
        tasks = await queued(batcher, *range(200))
        for number in range(199, -1, -1):
            if number % 4:
                tasks[number].cancel()
            if number % 10 == 0:
                await asyncio.sleep(0.001)
        staying = [number for number in range(200) if not number % 4]

        answers = await asyncio.wait_for(asyncio.gather(*(tasks[n] for n in staying)), 20)

        assert answers == [number * 2 for number in staying]
    assert len(ran) == len(set(ran))
