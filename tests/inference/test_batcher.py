from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence

import pytest
from hypothesis import given, settings, strategies as st

from mlmesh.inference.batcher import Batcher, QueueLimits
from mlmesh.inference.stop import Stop
from mlmesh.runtime.errors import DeadlineExceeded, Overloaded, TooLarge, Unavailable
from tests.inference.recorder import Recorder, queued


async def test_items_that_arrive_during_a_batch_share_the_next_one() -> None:
    run = Recorder()
    async with Batcher(run, limits=QueueLimits(max_batch=8)) as batcher:
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
    async with Batcher(run, limits=QueueLimits(max_batch=4)) as batcher:
        first = await queued(batcher, 0)
        await run.began.wait()
        rest = [asyncio.create_task(batcher.submit(n, size=n)) for n in (3, 2, 2, 9, 1)]
        await asyncio.sleep(0)
        run.gate.set()
        await asyncio.gather(*first, *rest)
    assert run.batches == [[0], [3], [2, 2], [9], [1]]


async def test_a_full_queue_refuses_at_once_and_says_when_to_come_back() -> None:
    run = Recorder()
    async with Batcher(run, limits=QueueLimits(max_batch=1, max_waiting=1)) as batcher:
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
        async with Batcher(run, limits=QueueLimits(max_batch=max_batch)) as batcher:
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

    async def run(items: Sequence[int], stop: Stop) -> Sequence[int]:
        return [] if lost else items

    async with Batcher(run) as batcher:
        with pytest.raises(RuntimeError, match="1 items gave 0 results"):
            await batcher.submit(1)
        lost = False
        assert await batcher.submit(2) == 2


async def test_leaving_ends_every_wait() -> None:
    run = Recorder()
    async with Batcher(run, limits=QueueLimits(max_batch=1)) as batcher:
        waits = await queued(batcher, 1, 2, 3)
        await run.began.wait()

    ended = await asyncio.gather(*waits, return_exceptions=True)
    assert all(isinstance(end, Unavailable) for end in ended)


async def test_a_place_that_is_given_up_is_free_at_once() -> None:
    run = Recorder()
    async with Batcher(run, limits=QueueLimits(max_batch=1, max_waiting=2)) as batcher:
        running = await queued(batcher, 1)
        await run.began.wait()
        given_up = await queued(batcher, 2, 3)
        for task in given_up:
            task.cancel()
        await asyncio.wait(given_up)
        later = await queued(batcher, 4, 5)
        run.gate.set()
        assert await asyncio.gather(*running, *later) == [2, 8, 10]


async def test_an_item_that_never_fits_is_told_so() -> None:
    async with Batcher(Recorder(), limits=QueueLimits(max_waiting=4)) as batcher:
        with pytest.raises(TooLarge):
            await batcher.submit(1, size=5)


async def test_leaving_stops_the_run_and_refuses_what_comes_later() -> None:
    stopped = asyncio.Event()

    async def run(items: Sequence[int], stop: Stop) -> Sequence[int]:
        stop.on_request(stopped.set)
        await asyncio.Event().wait()
        return items

    async with Batcher(run) as batcher:
        await queued(batcher, 1)
        await asyncio.sleep(0.01)

    assert stopped.is_set()
    with pytest.raises(Unavailable):
        await batcher.submit(2)


async def test_the_most_urgent_goes_first() -> None:
    run = Recorder()
    now = time.monotonic()
    async with Batcher(run, limits=QueueLimits(max_batch=1)) as batcher:
        first = await queued(batcher, 0)
        await run.began.wait()
        later = [
            asyncio.create_task(batcher.submit(1)),
            asyncio.create_task(batcher.submit(2, deadline=now + 60)),
            asyncio.create_task(batcher.submit(3, deadline=now + 30)),
            asyncio.create_task(batcher.submit(4, priority=1)),
            asyncio.create_task(batcher.submit(5, priority=200, deadline=now + 20)),
        ]
        await asyncio.sleep(0)
        run.gate.set()
        await asyncio.gather(*first, *later)
    assert run.batches == [[0], [4], [3], [2], [1], [5]]


async def test_what_is_late_in_the_queue_is_told_so_and_never_runs() -> None:
    run = Recorder()
    async with Batcher(run, limits=QueueLimits(max_batch=1)) as batcher:
        first = await queued(batcher, 0)
        await run.began.wait()
        late = asyncio.create_task(batcher.submit(1, deadline=time.monotonic() + 0.05))
        await asyncio.sleep(0.1)
        run.gate.set()
        with pytest.raises(DeadlineExceeded):
            await late
        await asyncio.gather(*first)
    assert run.batches == [[0]]


async def test_what_cannot_make_its_deadline_is_refused_at_once() -> None:
    async def slow(items: Sequence[int], stop: Stop) -> Sequence[int]:
        await asyncio.sleep(0.1 * len(items))
        return items

    async with Batcher(slow, limits=QueueLimits(max_batch=4)) as batcher:
        for count in (1, 2, 4):
            await asyncio.gather(*(batcher.submit(number) for number in range(count)))
        waits = [asyncio.create_task(batcher.submit(n, priority=1)) for n in range(20)]
        await asyncio.sleep(0)

        started = time.monotonic()
        with pytest.raises(DeadlineExceeded, match="too much waits"):
            await batcher.submit(99, deadline=started + 0.5)
        refused_after = time.monotonic() - started
        urgent = await batcher.submit(98, priority=1, deadline=started + 30)

        assert urgent == 98
        assert refused_after < 0.4  # at once, and not at the deadline
        await asyncio.gather(*waits)


async def test_a_run_that_nobody_waits_for_is_told_to_stop() -> None:
    stopped = asyncio.Event()

    async def run(items: Sequence[int], stop: Stop) -> Sequence[int]:
        stop.on_request(stopped.set)
        await stopped.wait()
        return items

    async with Batcher(run) as batcher:
        one, other = await queued(batcher, 1, 2)
        await asyncio.sleep(0.01)
        one.cancel()
        await asyncio.sleep(0.01)
        assert not stopped.is_set()
        other.cancel()
        await asyncio.wait_for(stopped.wait(), 5)


async def test_only_the_poisonous_fail_in_five_hundred_batches_of_eight() -> None:
    ran = 0

    async def run(items: Sequence[int], stop: Stop) -> Sequence[int]:
        nonlocal ran
        ran += 1
        if poison := [item for item in items if item < 0]:
            raise ValueError(f"poison {poison[0]}" if len(items) == 1 else "poison")
        return [item * 2 for item in items]

    chance = random.Random(0)
    async with Batcher(run, limits=QueueLimits(max_batch=8)) as batcher:
        for _ in range(500):
            items = list(range(1, 9))
            for index in chance.sample(range(8), chance.randint(1, 7)):
                items[index] *= -1
            calls = (batcher.submit(item) for item in items)
            answers = await asyncio.gather(*calls, return_exceptions=True)
            for item, answer in zip(items, answers, strict=True):
                if item > 0:
                    assert answer == item * 2
                else:
                    assert str(answer) == f"poison {item}"
    assert ran <= 500 * 15


async def test_an_answer_that_cannot_be_told_harms_nobody_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told: list[int | None] = []

    def broken(result: int | None, error: BaseException | None) -> None:
        raise RuntimeError("broken")

    run = Recorder()
    run.gate.set()
    async with Batcher(run) as batcher:
        batcher.begin(1, 1, broken)
        batcher.begin(2, 1, lambda result, error: told.append(result))

        assert await batcher.submit(3) == 6

    assert told == [4]
    assert "could not be told" in caplog.text


async def test_what_is_given_up_is_told_so_once() -> None:
    ends: list[type] = []
    async with Batcher(Recorder()) as batcher:
        waiting = batcher.begin(1, 1, lambda result, error: ends.append(type(error)))
        batcher.give_up(waiting)
        batcher.give_up(waiting)
        assert batcher.waiting_rows == 0

    assert ends == [asyncio.CancelledError]
