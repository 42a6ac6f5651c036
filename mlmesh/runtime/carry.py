"""Carries many unary calls in one message, through the same chain as plain calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from mlmesh.runtime.call import Call
from mlmesh.runtime.carried import Carried
from mlmesh.runtime.carried_calls import MAX_CARRIED, CarriedCalls
from mlmesh.runtime.chain import Chain
from mlmesh.runtime.frames import MAX_MESSAGE_BYTES
from mlmesh.v1 import mesh_pb2 as pb


class MeshService:
    """Answers mlmesh.v1.MeshService calls.

    max_carried: calls that may be under way on one stream; the next ones are refused, each alone.
    max_message_bytes: what the server takes in one message.
    """

    def __init__(
        self,
        chain: Chain,
        max_carried: int = MAX_CARRIED,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
    ) -> None:
        self._chain = chain
        self._max_message_bytes = max_message_bytes
        self._max_carried = max_carried

    async def Carry(  # noqa: N802 the contract's name
        self, requests: AsyncIterator[pb.CarryRequest], call: Call
    ) -> AsyncIterator[pb.CarryResponse]:
        stream = _CarryStream(self._chain, call, self._max_carried)
        reading = asyncio.create_task(stream.read(requests))
        try:
            yield pb.CarryResponse(max_message_bytes=self._max_message_bytes)
            async for response in stream.replies():
                yield response
            await reading
        finally:
            reading.cancel()
            stream.calls.close()

    async def CarryBatch(  # noqa: N802 the contract's name
        self, request: pb.CarryRequest, call: Call
    ) -> pb.CarryResponse:
        batch = _Batch(len(request.calls))
        calls = [Carried(carried, batch.put) for carried in request.calls]
        try:
            for one in calls:
                one.begin(self._chain, call)
            await batch.whole.wait()
        finally:
            for one in calls:
                one.give_up()
        return pb.CarryResponse(replies=batch.replies)


class _Batch:
    """The replies of one CarryBatch as they come."""

    def __init__(self, count: int) -> None:
        self.replies: list[pb.Reply] = []
        self.whole = asyncio.Event()
        self._count = count
        self._see()

    def put(self, carried: Carried, reply: pb.Reply) -> None:
        self.replies.append(reply)
        self._see()

    def _see(self) -> None:
        if len(self.replies) == self._count:
            self.whole.set()


class _CarryStream:
    """One stream: its messages are read while its replies are written."""

    def __init__(self, chain: Chain, call: Call, max_carried: int) -> None:
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._ended = False
        self.calls = CarriedCalls(chain, call, max_carried, self._changed.set)

    async def read(self, requests: AsyncIterator[pb.CarryRequest]) -> None:
        try:
            async for request in requests:
                self.calls.take(request)
                while self.calls.full:
                    self._room.clear()
                    await self._room.wait()
        finally:
            self._ended = True
            self._changed.set()

    async def replies(self) -> AsyncIterator[pb.CarryResponse]:
        calls = self.calls
        while not (self._ended and calls.idle):
            if not calls.due:
                self._changed.clear()
                await self._changed.wait()
                continue
            yield calls.message()
            self._room.set()
