"""Servers that do not keep to the contract of Carry."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from mlmesh.runtime.answer import Answer
from mlmesh.runtime.coalescing.carrier import open_carrier
from mlmesh.runtime.coalescing.options import Coalescing
from mlmesh.runtime.coalescing.pending import PendingCall
from mlmesh.runtime.errors import DeadlineExceeded, ServingError
from mlmesh.v1 import mesh_pb2 as pb
from tests.runtime.coalescing.carrying import Carry, calls_of, replies, serving
from tests.runtime.coalescing.counted import PREDICT, call, request


async def never(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
    yield replies()
    async for _ in requests:
        pass


async def other_ids(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
    yield replies()
    async for carried in calls_of(requests):
        yield replies(pb.Reply(id=carried.id + 1000), pb.Reply(id=carried.id, response=b"right"))


async def twice(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
    yield replies()
    async for carried in calls_of(requests):
        reply = pb.Reply(id=carried.id, response=b"right")
        yield replies(reply, pb.Reply(id=carried.id, response=b"wrong"))


async def garbage(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
    yield replies()
    async for _ in calls_of(requests):
        yield b"\xff\xff\xff"


async def silent(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
    async for _ in requests:
        pass
    yield b""


async def test_a_server_that_never_says_a_word_is_called_plainly() -> None:
    async with serving(silent) as address, open_carrier(address, Coalescing()) as carrier:
        answer = await asyncio.wait_for(carrier.begin(PREDICT, request("a"), call()), 20)

    assert answer.response


async def test_a_call_without_a_reply_ends_at_its_deadline() -> None:
    async with serving(never) as address, open_carrier(address, Coalescing()) as carrier:
        with pytest.raises(DeadlineExceeded):
            await asyncio.wait_for(carrier.begin(PREDICT, request("a"), call(1)), 10)


@pytest.mark.parametrize("carry", [other_ids, twice])
async def test_replies_that_nobody_asked_for_change_nothing(carry: Carry) -> None:
    async with serving(carry) as address, open_carrier(address, Coalescing()) as carrier:
        calls: list[PendingCall] = [carrier.begin(PREDICT, request("a"), call()) for _ in range(50)]
        answers: list[Answer] = await asyncio.wait_for(asyncio.gather(*calls), 10)

    assert {answer.response for answer in answers} == {b"right"}


async def test_replies_that_cannot_be_read_fail_the_call_and_stop_nothing() -> None:
    async with serving(garbage) as address, open_carrier(address, Coalescing()) as carrier:
        for _ in range(2):
            with pytest.raises(ServingError):
                await asyncio.wait_for(carrier.begin(PREDICT, request("a"), call(2)), 20)


async def test_a_server_that_knows_no_carry_is_called_plainly() -> None:
    async with serving(None) as address, open_carrier(address, Coalescing()) as carrier:
        answer = await asyncio.wait_for(carrier.begin(PREDICT, request("a"), call()), 10)

    assert answer.response == b"plain"


async def test_large_requests_go_beside_the_stream() -> None:
    options = Coalescing(large_bytes=100)
    async with serving(twice) as address, open_carrier(address, options) as carrier:
        small = carrier.begin(PREDICT, request("a"), call())
        large = carrier.begin(PREDICT, request("a" * 100), call())

        assert (await small).response == b"right"
        assert (await large).response == b"plain"


async def test_messages_keep_to_their_bounds_and_the_order_of_calls() -> None:
    seen: list[list[int]] = []
    sizes: list[int] = []

    async def counting(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        yield replies()
        async for message in requests:
            carried = pb.CarryRequest.FromString(message).calls
            seen.append([each.id for each in carried])
            sizes.append(len(message))
            yield replies(*(pb.Reply(id=each.id) for each in carried))

    options = Coalescing(message_calls=7, message_bytes=8000)
    async with serving(counting) as address, open_carrier(address, options) as carrier:
        names = ["a" * (number * 37 % 3000) for number in range(100)]
        await asyncio.gather(*(carrier.begin(PREDICT, request(name), call()) for name in names))

    assert [number for ids in seen for number in ids] == list(range(1, 101))
    assert max(map(len, seen)) <= 7
    assert max(sizes) <= 8000
