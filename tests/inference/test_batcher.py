from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings, strategies as st

from mlmesh.inference.batcher import Batcher
from mlmesh.runtime.errors import Overloaded


class Recorder:
    """Doubles numbers behind a gate, and remembers the batches that it was given."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.began = asyncio.Event()
        self.gate = asyncio.Event()

    async def __call__(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        self.began.set()
        await self.gate.wait()
        if any(item < 0 for item in items):
            raise ValueError(f"bad item among {len(items)}")
        return [item * 2 for item in items]


async def queued(batcher: Batcher[int, int], *items: int) -> list[asyncio.Task[int]]:
    tasks = [asyncio.create_task(batcher.submit(item)) for item in items]
    await asyncio.sleep(0)
    return tasks


async def test_items_that_arrive_during_a_batch_share_the_next_one() -> None:
    run = Recorder()
    async with Batcher(run, max_batch=8) as batcher:
        first = await queued(batcher, 1)
        await run.began.wait()
        rest = await queued(batcher, 2, 3, 4)
        run.gate.set()

        assert await asyncio.gather(*first, *rest) == [2, 4, 6, 8]
    assert run.batches == [[1], [2, 3, 4]]


async def test_a_lone_item_does_not_wait() -> None:
    run = Recorder()
    run.gate.set()
    async with Batcher(run) as batcher:
        assert await batcher.submit(5) == 10
    assert run.batches == [[5]]


async def test_a_batch_never_has_more_rows_than_allowed() -> None:
    run = Recorder()
    async with Batcher(run, max_batch=4) as batcher:
        first = await queued(batcher, 0)
        await run.began.wait()
        rest = [asyncio.create_task(batcher.submit(n, size=n)) for n in (3, 2, 2, 9, 1)]
        await asyncio.sleep(0)
        run.gate.set()
        await asyncio.gather(*first, *rest)
    assert run.batches == [[0], [3], [2, 2], [9], [1]]


async def test_a_full_queue_refuses_at_once_and_says_when_to_come_back() -> None:
    run = Recorder()
    async with Batcher(run, max_batch=1, max_waiting=1) as batcher:
        running = await queued(batcher, 1)
        await run.began.wait()
        waiting = await queued(batcher, 2)
        with pytest.raises(Overloaded) as refused:
            await batcher.submit(3)
        run.gate.set()
        assert await asyncio.gather(*running, *waiting) == [2, 4]
    assert 1 <= refused.value.retry_after <= 2


async def test_a_caller_that_hangs_up_is_left_out_of_the_batch() -> None:
    run = Recorder()
    async with Batcher(run) as batcher:
        running = await queued(batcher, 1)
        await run.began.wait()
        gone, stays = await queued(batcher, 2, 3)
        gone.cancel()
        run.gate.set()
        assert await asyncio.gather(*running, stays) == [2, 6]
    assert run.batches == [[1], [3]]


async def test_a_caller_that_hangs_up_during_the_batch_changes_nothing_for_the_others() -> None:
    run = Recorder()
    async with Batcher(run) as batcher:
        first = await queued(batcher, 0)
        await run.began.wait()
        gone, stays = await queued(batcher, 2, 3)
        run.began.clear()
        run.gate.set()
        await run.began.wait()
        gone.cancel()
        assert await asyncio.gather(*first, stays) == [0, 6]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(-3, 20), min_size=1, max_size=24), st.integers(1, 9))
def test_only_bad_items_fail_whatever_the_batches(items: list[int], max_batch: int) -> None:
    async def answers() -> list[int | BaseException]:
        run = Recorder()
        run.gate.set()
        async with Batcher(run, max_batch=max_batch) as batcher:
            calls = (batcher.submit(item) for item in items)
            return await asyncio.gather(*calls, return_exceptions=True)

    found = asyncio.run(answers())

    for item, answer in zip(items, found, strict=True):
        if item < 0:
            assert isinstance(answer, ValueError)
        else:
            assert answer == item * 2


async def test_a_run_that_loses_an_answer_fails_its_callers_and_the_batcher_lives_on() -> None:
    lost = True

    async def run(items: Sequence[int]) -> Sequence[int]:
        return [] if lost else items

    async with Batcher(run) as batcher:
        with pytest.raises(RuntimeError, match="1 items gave 0 results"):
            await batcher.submit(1)
        lost = False
        assert await batcher.submit(2) == 2


async def test_leaving_ends_every_wait() -> None:
    run = Recorder()
    async with Batcher(run, max_batch=1) as batcher:
        waits = await queued(batcher, 1, 2, 3)
        await run.began.wait()

    ended = await asyncio.gather(*waits, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ended)
