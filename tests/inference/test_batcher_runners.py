from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import pytest

from mlmesh.inference.batcher import Batcher, QueueLimits
from mlmesh.inference.stop import Stop
from mlmesh.runtime.errors import Unavailable
from tests.inference.recorder import Recorder, queued

ONE = QueueLimits(max_batch=1)


async def test_several_runners_run_side_by_side_and_no_more_than_them() -> None:
    runners = [Recorder() for _ in range(3)]
    async with Batcher(*runners, limits=ONE) as batcher:
        tasks = await queued(batcher, *range(5))
        await asyncio.wait_for(asyncio.gather(*(run.began.wait() for run in runners)), 5)

        assert sorted(run.batches[0][0] for run in runners) == [0, 1, 2]
        assert [len(run.batches) for run in runners] == [1, 1, 1]
        for run in runners:
            run.gate.set()
        assert await asyncio.gather(*tasks) == [0, 2, 4, 6, 8]


async def test_a_runner_that_hangs_does_not_hold_up_the_others() -> None:
    hanging, quick = Recorder(), Recorder()
    quick.gate.set()
    async with Batcher(hanging, quick, limits=ONE) as batcher:
        tasks = await queued(batcher, *range(50))
        await hanging.began.wait()
        [held] = hanging.batches[0]
        others = [task for number, task in enumerate(tasks) if number != held]

        answers = await asyncio.wait_for(asyncio.gather(*others), 20)

        assert answers == [number * 2 for number in range(50) if number != held]
        hanging.gate.set()
        assert await tasks[held] == held * 2
    assert len(hanging.batches) + len(quick.batches) == 50


async def test_an_item_that_comes_when_one_runner_is_busy_is_run_by_the_other() -> None:
    runners = [Recorder(), Recorder()]
    async with Batcher(*runners) as batcher:
        first = await queued(batcher, 1)
        [busy] = await began(runners)
        second = await queued(batcher, 2)
        [idle] = [run for run in runners if run is not busy]
        await asyncio.wait_for(idle.began.wait(), 5)

        assert (busy.batches, idle.batches) == ([[1]], [[2]])
        for run in runners:
            run.gate.set()
        assert await asyncio.gather(*first, *second) == [2, 4]


async def began(runners: Sequence[Recorder]) -> list[Recorder]:
    """Those that run something, once one does."""
    waits = [asyncio.create_task(run.began.wait()) for run in runners]
    await asyncio.wait(waits, timeout=5, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    return [run for run in runners if run.batches]


async def test_only_the_poisonous_fail_with_several_runners() -> None:
    async def run(items: Sequence[int], stop: Stop) -> Sequence[int]:
        await asyncio.sleep(0)
        if any(item < 0 for item in items):
            raise ValueError("poison")
        return [item * 2 for item in items]

    chance = random.Random(0)
    async with Batcher(run, run, run, limits=QueueLimits(max_batch=8)) as batcher:
        for _ in range(100):
            items = [number * chance.choice([1, 1, -1]) for number in range(1, 41)]
            calls = (batcher.submit(item) for item in items)
            answers = await asyncio.gather(*calls, return_exceptions=True)
            for item, answer in zip(items, answers, strict=True):
                if item > 0:
                    assert answer == item * 2
                else:
                    assert isinstance(answer, ValueError)


async def test_a_run_that_nobody_waits_for_is_stopped_and_the_one_beside_it_goes_on() -> None:
    stops: dict[int, Stop] = {}
    ended = {1: asyncio.Event(), 2: asyncio.Event()}

    async def run(items: Sequence[int], stop: Stop) -> Sequence[int]:
        [item] = items
        stops[item] = stop
        stop.on_request(ended[item].set)
        await ended[item].wait()
        return items

    async with Batcher(run, run, limits=ONE) as batcher:
        one, other = await queued(batcher, 1, 2)
        while len(stops) < 2:
            await asyncio.sleep(0.001)
        one.cancel()
        await asyncio.wait_for(ended[1].wait(), 5)

        assert stops[1].requested
        assert not stops[2].requested
        ended[2].set()
        assert await other == 2


async def test_leaving_stops_all_runs_and_ends_every_wait() -> None:
    runners = [Recorder(), Recorder()]
    async with Batcher(*runners, limits=ONE) as batcher:
        tasks = await queued(batcher, *range(6))
        for run in runners:
            await run.began.wait()

    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(end) for end in ends] == [Unavailable] * 6


async def test_how_long_each_item_waited_is_told_when_it_is_taken() -> None:
    waits: list[float] = []
    run = Recorder()
    async with Batcher(run, on_taken=waits.append) as batcher:
        first = await queued(batcher, 1)
        await run.began.wait()
        rest = await queued(batcher, 2, 3)
        [given_up] = await queued(batcher, 4)
        given_up.cancel()
        await asyncio.sleep(0.05)
        assert len(waits) == 1
        run.gate.set()
        await asyncio.gather(*first, *rest)

    idle, *busy = waits
    assert len(busy) == 2
    assert min(busy) >= 0.04
    assert 0 <= idle < 5


async def test_members_that_run_again_for_a_failed_batch_have_not_waited_again() -> None:
    waits: list[float] = []
    run = Recorder()
    run.gate.set()
    async with Batcher(run, on_taken=waits.append) as batcher:
        tasks = await queued(batcher, 1, -2, 3, 4)
        await asyncio.wait(tasks)
        with pytest.raises(ValueError, match="bad item among 1"):
            tasks[1].result()

    assert len(run.batches) > 1
    assert len(waits) == 4
