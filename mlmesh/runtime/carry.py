"""Carries many unary calls in one message, through the same chain as plain calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from google.protobuf.message import Message
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
    Unavailable,
)
from mlmesh.runtime.measured import MEASURED, Measured
from mlmesh.runtime.unary_call import UnaryCall
from mlmesh.v1 import mesh_pb2 as pb

MAX_MESSAGE_BYTES = 64 * 2**20
"""What callers of a mesh take in one message."""
REPLY_ROOM = 64 * 2**10
"""What may stand around a response in a message, and more."""
MESSAGE_BYTES = 2**20
"""Responses that go into one message; more of them wait for the next."""
TELL_SECONDS = 0.001
"""Within which replies say what was read. A message that says nothing else costs as much as one
with replies; only calls that take longer are worth it."""


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
        batch = _Batch(len(request.calls))
        calls = [_Carried(carried, batch.put) for carried in request.calls]
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

    def put(self, carried: _Carried, reply: pb.Reply) -> None:
        self.replies.append(reply)
        self._see()

    def _see(self) -> None:
        if len(self.replies) == self._count:
            self.whole.set()


class _CarryStream:
    """The calls under way on one stream, and the replies that wait to be written.

    Replies that become ready while a message is being written leave together in the next one.
    """

    def __init__(self, chain: Chain, call: Call, max_carried: int) -> None:
        self._chain = chain
        self._call = call
        self._max_carried = max_carried
        self._running: dict[int, _Carried] = {}
        self._ready: list[pb.Reply] = []
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._ended = False
        self._read = 0
        self._told = 0
        self._timer: asyncio.TimerHandle | None = None
        self._telling = False
        """Whether what was read is told for its own sake."""

    async def read(self, requests: AsyncIterator[pb.CarryRequest]) -> None:
        try:
            async for request in requests:
                for carried in request.calls:
                    self._start(carried)
                for call_id in request.cancelled:
                    if one := self._running.pop(call_id, None):
                        one.give_up()
                        self._changed.set()
                self._read += 1
                self._tell_soon()
                # A caller that does not take its replies is not read from either.
                while len(self._ready) >= self._max_carried:
                    self._room.clear()
                    await self._room.wait()
        finally:
            self._ended = True
            self._changed.set()

    async def replies(self) -> AsyncIterator[pb.CarryResponse]:
        while self._ready or self._running or not self._ended:
            if not self._ready and not self._telling:
                self._changed.clear()
                await self._changed.wait()
                continue
            self._told = self._read
            self._telling = False
            yield pb.CarryResponse(replies=self._some_ready(), taken=self._told)
            self._room.set()

    def _tell_soon(self) -> None:
        """The replies will say what was read, unless they take their time."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TELL_SECONDS, self._tell)

    def _tell(self) -> None:
        self._timer = None
        if self._told < self._read:
            self._telling = True
            self._changed.set()

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
        running, self._running = self._running, {}
        for one in running.values():
            one.give_up()

    def _start(self, carried: pb.Call) -> None:
        if carried.id in self._running:
            twice = Conflict(f"calls: id {carried.id} is under way on this stream already")
            self._put(pb.Reply(id=carried.id, status=twice.status()))
        elif len(self._running) >= self._max_carried:
            full = Overloaded(f"calls: {self._max_carried} are under way on this stream already")
            self._put(pb.Reply(id=carried.id, status=full.status()))
        else:
            self._running[carried.id] = one = _Carried(carried, self._reply)
            one.begin(self._chain, self._call)

    def _reply(self, carried: _Carried, reply: pb.Reply) -> None:
        # Nobody waits for the reply of a call that was cancelled; its id may be another's by now.
        if self._running.get(reply.id) is carried:
            del self._running[reply.id]
            self._put(reply)

    def _put(self, reply: pb.Reply) -> None:
        self._ready.append(reply)
        self._changed.set()


class _Carried:
    """One carried call; `put` gets it and its reply, perhaps before it is wholly begun."""

    __slots__ = ("_begun", "_carried", "_measured", "_put")

    def __init__(self, carried: pb.Call, put: Callable[[_Carried, pb.Reply], None]) -> None:
        self._carried = carried
        self._put = put
        self._measured = Measured()
        self._begun: UnaryCall | None = None

    def begin(self, chain: Chain, outer: Call) -> None:
        carried = self._carried
        if carried.method.startswith("/mlmesh.v1.MeshService/"):
            # A message that carries itself would multiply its cost at every level.
            self._done(None, InvalidInput("method", "cannot be carried"))
            return
        token = MEASURED.set(self._measured)
        try:
            call = _call_of(carried, outer)
            self._begun = chain.begin(carried.method, carried.request, call, self._done)
        except ServingError as error:
            self._done(None, error)
        finally:
            MEASURED.reset(token)

    def give_up(self) -> None:
        if self._begun is not None:
            self._begun.give_up()

    def _done(self, message: Message | None, error: BaseException | None) -> None:
        if message is not None:
            try:
                reply = _answer(self._carried, message, self._measured)
            except Exception as failure:
                message, error = None, failure
        if message is None:
            reply = _failure(self._carried.id, _status_of(error))
        self._put(self, reply)


def _answer(carried: pb.Call, message: Message, measured: Measured) -> pb.Reply:
    response = message.SerializeToString()
    if len(response) > MAX_MESSAGE_BYTES - REPLY_ROOM:
        # It would end the stream, and with it all of its neighbours.
        service = carried.method[1:].partition("/")[0]
        too_large = TooLarge(f"the message is larger than {service} or the gateway takes")
        return _failure(carried.id, too_large.status())
    return pb.Reply(
        id=carried.id,
        response=response,
        queue_us=measured.queue // 1000,
        batch_us=measured.batch // 1000,
        compute_us=measured.compute // 1000,
    )


def _status_of(error: BaseException | None) -> status_pb2.Status:
    if isinstance(error, ServingError):
        return error.status()
    if isinstance(error, asyncio.CancelledError):
        return Unavailable("the server gave the call up, try again").status()
    return InternalError().status()


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
