from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hypothesis import given, settings, strategies as st

from mlmesh.inference.batcher import Batcher, QueueLimits
from mlmesh.inference.stop import Stop
from tests.inference.recorder import Recorder, queued


async def submitted(
    batcher: Batcher[int, int], *items: tuple[int, str], size: int = 1
) -> list[asyncio.Task[int]]:
    """items: with their keys."""
    tasks = [asyncio.create_task(batcher.submit(item, size, key=key)) for item, key in items]
    await asyncio.sleep(0)
    return tasks


async def test_only_equal_keys_run_together_and_each_key_keeps_its_order() -> None:
    run = Recorder()
    async with Batcher(run) as batcher:
        first = await queued(batcher, 0)
        await run.began.wait()
        rest = await submitted(batcher, (1, "a"), (2, "b"), (3, "a"), (4, "b"), (5, "c"), (6, "a"))
        run.gate.set()

        assert await asyncio.gather(*first, *rest) == [0, 2, 4, 6, 8, 10, 12]
    assert run.batches == [[0], [1, 3, 6], [2, 4], [5]]


async def test_the_most_urgent_goes_first_whatever_its_key() -> None:
    run = Recorder()
    async with Batcher(run) as batcher:
        first = await queued(batcher, 0)
        await run.began.wait()
        usual = await submitted(batcher, (1, "a"), (2, "a"), (3, "b"))
        urgent = asyncio.create_task(batcher.submit(4, key="b", priority=1))
        await asyncio.sleep(0)
        run.gate.set()
        await asyncio.gather(*first, *usual, urgent)
    assert run.batches == [[0], [4, 3], [1, 2]]


async def test_a_key_that_never_stops_coming_does_not_hold_up_another() -> None:
    """The next batch is that of whoever has waited longest, not that of the largest crowd."""
    run = Recorder()
    run.gate.set()
    async with Batcher(run, limits=QueueLimits(max_batch=4)) as batcher:

        async def crowd(item: int) -> None:
            for _ in range(200):
                await batcher.submit(item, key="crowd")

        crowds = [asyncio.create_task(crowd(item)) for item in range(1, 13)]
        await asyncio.sleep(0)
        before = len(run.batches)
        alone = asyncio.create_task(batcher.submit(99, key="alone"))
        assert await asyncio.wait_for(alone, 20) == 198
        assert [99] in run.batches[before : before + 10]
        await asyncio.gather(*crowds)


async def test_a_large_item_of_another_key_does_not_end_the_batch() -> None:
    run = Recorder()
    async with Batcher(run, limits=QueueLimits(max_batch=4)) as batcher:
        first = await queued(batcher, 0)
        await run.began.wait()
        small = await submitted(batcher, (1, "a"))
        large = await submitted(batcher, (2, "b"), size=4)
        later = await submitted(batcher, (3, "a"), (4, "a"))
        run.gate.set()
        await asyncio.gather(*first, *small, *large, *later)
    assert run.batches == [[0], [1, 3, 4], [2]]


async def test_a_large_item_of_the_same_key_is_not_overtaken() -> None:
    run = Recorder()
    async with Batcher(run, limits=QueueLimits(max_batch=4)) as batcher:
        first = await queued(batcher, 0)
        await run.began.wait()
        small = await submitted(batcher, (1, "a"))
        large = await submitted(batcher, (2, "a"), size=4)
        later = await submitted(batcher, (3, "a"))
        run.gate.set()
        await asyncio.gather(*first, *small, *large, *later)
    assert run.batches == [[0], [1], [2], [3]]


ITEMS = st.lists(st.tuples(st.integers(1, 4), st.sampled_from("abc"), st.integers(0, 2)))


@settings(deadline=None, max_examples=100)
@given(ITEMS, st.integers(1, 6))
def test_all_are_answered_in_batches_of_one_key_within_the_limit(
    items: list[tuple[int, str, int]], max_batch: int
) -> None:
    """items: size, key and priority; 0 is the usual one, which comes last."""
    batches: list[list[int]] = []

    async def run(numbers: Sequence[int], stop: Stop) -> Sequence[int]:
        batches.append(list(numbers))
        return [number * 2 for number in numbers]

    async def answers() -> list[int]:
        async with Batcher(run, limits=QueueLimits(max_batch=max_batch)) as batcher:
            calls = (
                batcher.submit(number, size, key=key, priority=priority)
                for number, (size, key, priority) in enumerate(items)
            )
            return await asyncio.gather(*calls)

    assert asyncio.run(answers()) == [number * 2 for number in range(len(items))]

    order = sorted(range(len(items)), key=lambda number: (items[number][2] or 100, number))
    for batch in batches:
        assert batch[0] == order[0]
        assert len({items[number][1] for number in batch}) == 1
        assert len(batch) == 1 or sum(items[number][0] for number in batch) <= max_batch
        order = [number for number in order if number not in batch]
    for key in "abc":
        served = [number for batch in batches for number in batch if items[number][1] == key]
        assert served == sorted(served, key=lambda number: (items[number][2] or 100, number))
