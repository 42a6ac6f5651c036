"""Streams that are replaced before the server's bound on their lives ends them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlmesh.runtime.answer import Answer
from mlmesh.runtime.coalescing.carrier import open_carrier
from mlmesh.runtime.coalescing.options import Coalescing
from mlmesh.runtime.coalescing.pending import PendingCall
from mlmesh.v1 import mesh_pb2 as pb, predictor_pb2
from tests.runtime.coalescing.carrying import replies, serving
from tests.runtime.coalescing.counted import PREDICT, call, counted, request

ONCE = replace(PREDICT, repeatable=False)
"""The same method, had its contract not said that it may be repeated."""
OFTEN = Coalescing(stream_seconds=0.05)


class Streams:
    """A Carry that answers when it is told to, and keeps what becomes of its streams."""

    def __init__(self) -> None:
        self.opened = 0
        self.ended = 0
        self.calls: dict[str, int] = {}
        """The number of the stream that each came on, from 1, by the call's request."""
        self.cancelled: list[int] = []
        self.gate = asyncio.Event()
        self._changed = asyncio.Condition()

    async def carry(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        self.opened += 1
        number = self.opened
        await self.tell()
        yield replies()
        async for message in requests:
            read = pb.CarryRequest.FromString(message)
            self.calls |= {one.request.decode(): number for one in read.calls}
            self.cancelled += read.cancelled
            await self.tell()
            if read.calls:
                await self.gate.wait()
                yield replies(*(pb.Reply(id=one.id, response=one.request) for one in read.calls))
        self.ended += 1
        await self.tell()

    async def tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def has(self, condition: Any) -> None:
        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(condition)


async def test_calls_on_an_old_stream_are_answered_there_and_new_ones_go_on_its_successor() -> None:
    streams = Streams()
    async with serving(streams.carry) as address, open_carrier(address, OFTEN) as carrier:
        early = carrier.begin(ONCE, b"early", call(60))
        await streams.has(lambda: "early" in streams.calls)
        # The next but one is opened by who has the next one already.
        await streams.has(lambda: streams.opened >= streams.calls["early"] + 2)
        late = carrier.begin(ONCE, b"late", call(60))
        await streams.has(lambda: "late" in streams.calls)
        streams.gate.set()
        answers = await asyncio.wait_for(asyncio.gather(early, late), 20)
        await streams.has(lambda: streams.ended >= 1)

    assert [answer.response for answer in answers] == [b"early", b"late"]
    assert streams.calls["early"] < streams.calls["late"]


async def test_a_stream_without_calls_ends_once_it_has_a_successor() -> None:
    streams = Streams()
    async with serving(streams.carry) as address, open_carrier(address, OFTEN):
        await streams.has(lambda: streams.ended >= 3)

        assert streams.opened - streams.ended <= 2


async def test_a_call_on_an_old_stream_can_be_given_up() -> None:
    streams = Streams()
    ended: set[int] = set()

    async def held(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        """Answers nothing but the end of the stream."""
        streams.opened += 1
        number = streams.opened
        await streams.tell()
        yield replies()
        async for message in requests:
            read = pb.CarryRequest.FromString(message)
            streams.calls |= {one.request.decode(): number for one in read.calls}
            streams.cancelled += read.cancelled
            await streams.tell()
            yield pb.CarryResponse(taken=1).SerializeToString()
        ended.add(number)
        await streams.tell()

    async with serving(held) as address, open_carrier(address, OFTEN) as carrier:
        given_up: PendingCall = carrier.begin(ONCE, b"given up", call(60))
        await streams.has(lambda: "given up" in streams.calls)
        number = streams.calls["given up"]
        await streams.has(lambda: streams.opened >= number + 2)

        given_up.cancel()

        await streams.has(lambda: streams.cancelled == [1] and number in ended)


@pytest.mark.parametrize("seconds", [0.0, 0.2])
async def test_no_call_is_lost_or_doubled_while_streams_are_replaced(
    tmp_path: Path, seconds: float
) -> None:
    names = [f"call-{number}" for number in range(300)]
    options = Coalescing(stream_seconds=0.02)
    async with (
        counted(tmp_path / "book", seconds) as server,
        open_carrier(server.address, options) as carrier,
    ):
        calls: list[PendingCall] = []
        for name in names:
            calls.append(carrier.begin(ONCE, request(name), call(60)))
            await asyncio.sleep(0.004)
        answers: list[Answer] = await asyncio.wait_for(asyncio.gather(*calls), 60)
        executions = server.executions()

    labels = [predictor_pb2.PredictResponse.FromString(one.response).label for one in answers]
    assert labels == names
    assert executions == Counter(names)
