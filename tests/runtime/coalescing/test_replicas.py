"""What callers see of replicas that die, freeze and leave."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from mlmesh.runtime.answer import Answer
from mlmesh.runtime.client.plain import open_channel
from mlmesh.runtime.coalescing.carrier import Carrier, open_carrier
from mlmesh.runtime.coalescing.options import Coalescing
from mlmesh.runtime.coalescing.pool import Pool
from mlmesh.runtime.coalescing.tally import Untold
from mlmesh.runtime.coalescing.target import Static
from mlmesh.runtime.errors import DeadlineExceeded, Unavailable
from mlmesh.v1 import predictor_pb2 as pb
from tests.runtime.coalescing.carrying import Told
from tests.runtime.coalescing.counted import PREDICT, Counted, call, counted, request

pytestmark = pytest.mark.parametrize("way", ["grpc", "socket"], indirect=True)
ONCE = replace(PREDICT, repeatable=False)
"""The same method, had its contract not said that it may be repeated."""


@pytest.fixture
def way(request: pytest.FixtureRequest, tmp_path: Path) -> Coalescing:
    """How calls are carried: by gRPC, or past it."""
    return Coalescing(folder=str(tmp_path) if request.param == "socket" else "")


async def two(
    stack: AsyncExitStack, way: Coalescing, folder: Path, seconds: float
) -> tuple[Counted, Counted]:
    first = await stack.enter_async_context(
        counted(folder / "first", seconds, carry_folder=way.folder)
    )
    second = await stack.enter_async_context(
        counted(folder / "second", seconds, carry_folder=way.folder)
    )
    return first, second


async def carrier_to(stack: AsyncExitStack, options: Coalescing, *replicas: Counted) -> Carrier:
    target = ",".join(replica.address for replica in replicas)
    carrier = await stack.enter_async_context(open_carrier(target, options))
    # Both have a stream once both have answered.
    async with asyncio.timeout(20):
        while not all(replica.executions()["ready"] for replica in replicas):
            await asyncio.gather(
                *(carrier.begin(PREDICT, request("ready"), call()) for _ in range(8))
            )
    return carrier


def labels(answers: list[Answer]) -> list[str]:
    return [pb.PredictResponse.FromString(answer.response).label for answer in answers]


@pytest.mark.parametrize("enabled", [True, False])
async def test_calls_that_may_be_repeated_survive_the_death_of_a_replica(
    way: Coalescing, tmp_path: Path, enabled: bool
) -> None:
    async with AsyncExitStack() as stack:
        first, second = await two(stack, way, tmp_path, 0.3)
        carrier = await carrier_to(stack, replace(way, enabled=enabled), first, second)
        names = [f"call-{number}" for number in range(400)]
        calls = [carrier.begin(PREDICT, request(name), call()) for name in names]
        await first.begun(first.executions()["ready"] + 100)

        first.send(signal.SIGKILL)

        assert labels(await asyncio.gather(*calls)) == names


async def test_calls_that_may_not_be_repeated_are_never_doubled(
    way: Coalescing, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        first, second = await two(stack, way, tmp_path, 0.3)
        carrier = await carrier_to(stack, way, first, second)
        calls = [carrier.begin(ONCE, request(f"call-{n}"), call()) for n in range(400)]
        await first.begun(first.executions()["ready"] + 100)

        first.send(signal.SIGKILL)
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        executions: Counter[str] = first.executions() + second.executions()

    failed = [outcome for outcome in outcomes if not isinstance(outcome, Answer)]
    assert failed
    assert all(isinstance(outcome, Unavailable) for outcome in failed)
    assert max(executions[f"call-{n}"] for n in range(400)) == 1


async def test_a_frozen_replica_costs_callers_no_error(way: Coalescing, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        first, second = await two(stack, way, tmp_path, 0.0)
        options = replace(way, silence_seconds=1)
        carrier = await carrier_to(stack, options, first, second)

        first.send(signal.SIGSTOP)
        names = [f"call-{number}" for number in range(200)]
        calls = [carrier.begin(PREDICT, request(name), call()) for name in names]
        answered = labels(await asyncio.wait_for(asyncio.gather(*calls), 10))

    assert answered == names


async def test_a_replica_that_leaves_answers_what_it_read_and_loses_nothing(
    way: Coalescing,
    tmp_path: Path,
) -> None:
    async with AsyncExitStack() as stack:
        first, second = await two(stack, way, tmp_path, 0.2)
        carrier = await carrier_to(stack, way, first, second)
        names = [f"call-{number}" for number in range(300)]
        calls = [carrier.begin(ONCE, request(name), call()) for name in names[:150]]
        await first.begun(first.executions()["ready"] + 50)

        first.send(signal.SIGTERM)
        calls += [carrier.begin(ONCE, request(name), call()) for name in names[150:]]
        answered = labels(await asyncio.gather(*calls))
        executions = first.executions() + second.executions()

    assert answered == names
    assert {executions[name] for name in names} == {1}


async def test_a_service_that_comes_back_is_found_again(way: Coalescing, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(
            counted(tmp_path / "first", carry_folder=way.folder)
        )
        carrier = await carrier_to(stack, way, first)
        first.send(signal.SIGKILL)
        await first.process.wait()

        with pytest.raises(Unavailable):
            await asyncio.wait_for(carrier.begin(PREDICT, request("away"), call()), 10)
        port = int(first.address.rpartition(":")[2])
        await stack.enter_async_context(
            counted(tmp_path / "second", port=port, carry_folder=way.folder)
        )
        async with asyncio.timeout(20):
            while True:
                try:
                    answer = await carrier.begin(PREDICT, request("back"), call())
                    break
                except Unavailable:
                    await asyncio.sleep(0.05)

    assert labels([answer]) == ["back"]


async def test_an_address_that_vanishes_is_drained_and_a_new_one_is_used(
    way: Coalescing, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        first, second = await two(stack, way, tmp_path, 0.3)
        pool = Pool(Static((first.address,)), way, open_channel, Untold())
        await stack.enter_async_context(pool)
        early = [pool.begin(ONCE, request(f"early-{n}"), call()) for n in range(20)]
        await first.begun(20)

        pool.use((second.address,))
        late = [pool.begin(ONCE, request(f"late-{n}"), call()) for n in range(20)]
        await asyncio.wait_for(asyncio.gather(*early, *late), 10)

        assert first.executions() == Counter(f"early-{n}" for n in range(20))
        assert second.executions() == Counter(f"late-{n}" for n in range(20))


async def test_calls_that_come_one_by_one_go_to_all_replicas(
    way: Coalescing, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        first, second = await two(stack, way, tmp_path, 0.0)
        target = f"{first.address},{second.address}"
        carrier = await stack.enter_async_context(open_carrier(target, way))
        async with asyncio.timeout(20):
            while not (first.executions() and second.executions()):
                await carrier.begin(PREDICT, request("early"), call())
        for number in range(10):
            await carrier.begin(PREDICT, request(f"one-{number}"), call())

    answered = [one.executions() for one in (first, second)]
    assert [sum(count for name, count in one.items() if name != "early") for one in answered] == [
        5,
        5,
    ]


async def test_a_name_is_looked_up_and_its_addresses_are_called(
    way: Coalescing, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(
            counted(tmp_path / "first", carry_folder=way.folder)
        )
        target = f"dns:///localhost:{first.address.rpartition(':')[2]}"
        carrier = await stack.enter_async_context(open_carrier(target, way))

        answer = await asyncio.wait_for(carrier.begin(PREDICT, request("a"), call()), 10)

    assert labels([answer]) == ["a"]


async def test_a_carrier_whose_service_is_frozen_closes_at_once(
    way: Coalescing, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(
            counted(tmp_path / "first", carry_folder=way.folder)
        )
        connection = AsyncExitStack()
        carrier = await carrier_to(connection, way, first)
        first.send(signal.SIGSTOP)
        left = carrier.begin(PREDICT, request("left"), call())

        await asyncio.wait_for(connection.aclose(), 10)

        with pytest.raises(Unavailable):
            await left


async def test_a_call_to_a_frozen_replica_ends_at_its_deadline(
    way: Coalescing, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(
            counted(tmp_path / "first", carry_folder=way.folder)
        )
        carrier = await carrier_to(stack, way, first)
        first.send(signal.SIGSTOP)

        with pytest.raises(DeadlineExceeded):
            await asyncio.wait_for(carrier.begin(PREDICT, request("late"), call(0.3)), 3)


async def test_ten_thousand_calls_at_once_are_all_answered(way: Coalescing, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(
            counted(tmp_path / "first", carry_folder=way.folder)
        )
        carrier = await carrier_to(stack, way, first)
        names = [f"call-{number}" for number in range(10_000)]

        calls = [carrier.begin(PREDICT, request(name), call(60)) for name in names]
        answered = labels(await asyncio.gather(*calls))

    assert answered == names


async def test_what_leaves_together_and_what_is_repeated_is_counted(
    way: Coalescing, tmp_path: Path
) -> None:
    told = Told()
    async with AsyncExitStack() as stack:
        first, second = await two(stack, way, tmp_path, 0.3)
        target = f"{first.address},{second.address}"
        carrier = await stack.enter_async_context(open_carrier(target, way, tally=told))
        async with asyncio.timeout(20):
            while not (first.executions() and second.executions()):
                await asyncio.gather(
                    *(carrier.begin(PREDICT, request("ready"), call()) for _ in range(8))
                )
        before = sum(told.messages)
        calls = [carrier.begin(PREDICT, request(f"call-{n}"), call()) for n in range(400)]
        await first.begun(first.executions()["ready"] + 100)

        first.send(signal.SIGKILL)
        await asyncio.gather(*calls)

    assert sum(told.messages) - before == 400 + told.again
    assert 100 <= told.again <= 300
    assert max(told.messages) == way.message_calls
