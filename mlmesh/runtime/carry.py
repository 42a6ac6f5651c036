"""Carries many unary calls in one message, through the same chain as plain calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from google.rpc import status_pb2

from mlmesh.runtime.call import Call, deadline_after, request_id_of, tracestate_of
from mlmesh.runtime.chain import Chain
from mlmesh.runtime.errors import (
    Conflict,
    InternalError,
    InvalidInput,
    Overloaded,
    ServingError,
    TooLarge,
)
from mlmesh.runtime.measured import MEASURED, Measured
from mlmesh.v1 import mesh_pb2 as pb

MAX_MESSAGE_BYTES = 64 * 2**20
"""What callers of a mesh take in one message."""
REPLY_ROOM = 64 * 2**10
"""What may stand around a response in a message, and more."""
MESSAGE_BYTES = 2**20
"""Responses that go into one message; more of them wait for the next."""


class MeshService:
    """Answers mlmesh.v1.MeshService calls.

    max_carried: calls that may be under way on one stream; the next ones are refused, each alone.
    max_message_bytes: what the server takes in one message.
    """

    def __init__(
        self, chain: Chain, max_carried: int = 4096, max_message_bytes: int = MAX_MESSAGE_BYTES
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
            stream.cancel_all()

    async def CarryBatch(  # noqa: N802 the contract's name
        self, request: pb.CarryRequest, call: Call
    ) -> pb.CarryResponse:
        replies = await asyncio.gather(
            *(_reply(self._chain, carried, _call_of(carried, call)) for carried in request.calls)
        )
        return pb.CarryResponse(replies=replies)


class _CarryStream:
    """The calls under way on one stream, and the replies that wait to be written.

    Replies that become ready while a message is being written leave together in the next one.
    """

    def __init__(self, chain: Chain, call: Call, max_carried: int) -> None:
        self._chain = chain
        self._call = call
        self._max_carried = max_carried
        self._running: dict[int, asyncio.Task[None]] = {}
        self._ready: list[pb.Reply] = []
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._ended = False
        self._read = 0
        self._told = 0

    async def read(self, requests: AsyncIterator[pb.CarryRequest]) -> None:
        try:
            async for request in requests:
                for carried in request.calls:
                    self._start(carried)
                for call_id in request.cancelled:
                    if task := self._running.get(call_id):
                        task.cancel()
                self._read += 1
                self._changed.set()
                # A caller that does not take its replies is not read from either.
                while len(self._ready) >= self._max_carried:
                    self._room.clear()
                    await self._room.wait()
        finally:
            self._ended = True
            self._changed.set()

    async def replies(self) -> AsyncIterator[pb.CarryResponse]:
        while self._ready or self._running or not self._ended:
            if not self._ready and self._told == self._read:
                self._changed.clear()
                await self._changed.wait()
                continue
            self._told = self._read
            yield pb.CarryResponse(replies=self._some_ready(), taken=self._told)
            self._room.set()

    def _some_ready(self) -> list[pb.Reply]:
        """What goes into the next message: all that is ready, within what any client takes."""
        size = count = 0
        for reply in self._ready:
            if count and size + len(reply.response) > MESSAGE_BYTES:
                break
            size += len(reply.response)
            count += 1
        taken, self._ready = self._ready[:count], self._ready[count:]
        return taken

    def cancel_all(self) -> None:
        for task in self._running.values():
            task.cancel()

    def _start(self, carried: pb.Call) -> None:
        if carried.id in self._running:
            twice = Conflict(f"calls: id {carried.id} is under way on this stream already")
            self._put(pb.Reply(id=carried.id, status=twice.status()))
        elif len(self._running) >= self._max_carried:
            full = Overloaded(f"calls: {self._max_carried} are under way on this stream already")
            self._put(pb.Reply(id=carried.id, status=full.status()))
        else:
            # The deadline counts from arrival, not from when the task gets its turn.
            call = _call_of(carried, self._call)
            task = asyncio.create_task(self._run(carried, call))
            self._running[carried.id] = task
            # Not in the task itself: one that is cancelled before its first step runs nothing.
            task.add_done_callback(lambda _: self._gone(carried.id))

    async def _run(self, carried: pb.Call, call: Call) -> None:
        self._put(await _reply(self._chain, carried, call))

    def _gone(self, call_id: int) -> None:
        del self._running[call_id]
        self._changed.set()

    def _put(self, reply: pb.Reply) -> None:
        self._ready.append(reply)
        self._changed.set()


async def _reply(chain: Chain, carried: pb.Call, call: Call) -> pb.Reply:
    if carried.method.startswith("/mlmesh.v1.MeshService/"):
        # A message that carries itself would multiply its cost at every level.
        return _failure(carried.id, InvalidInput("method", "cannot be carried").status())
    measured = Measured()
    MEASURED.set(measured)
    try:
        response = await chain.answer(carried.method, carried.request, call)
        if len(response) > MAX_MESSAGE_BYTES - REPLY_ROOM:
            # It would end the stream, and with it all of its neighbours.
            service = carried.method[1:].partition("/")[0]
            raise TooLarge(f"the message is larger than {service} or the gateway takes")
        return pb.Reply(
            id=carried.id,
            response=response,
            queue_us=measured.queue // 1000,
            batch_us=measured.batch // 1000,
            compute_us=measured.compute // 1000,
        )
    except ServingError as error:
        return _failure(carried.id, error.status())
    except Exception:
        return _failure(carried.id, InternalError().status())


def _failure(call_id: int, status: status_pb2.Status) -> pb.Reply:
    return pb.Reply(id=call_id, status=status)


def _call_of(carried: pb.Call, outer: Call) -> Call:
    """The carried call's own context; it never outlives the message or stream that carries it."""
    asked = deadline_after(carried.timeout_us / 1e6 if carried.timeout_us else None)
    return Call(
        request_id=request_id_of(carried.request_id),
        deadline=min(asked, outer.deadline),
        traceparent=carried.traceparent,
        tracestate=tracestate_of(carried.tracestate),
        priority=carried.priority,
        principal=carried.principal,
        attempt=carried.attempt,
    )
