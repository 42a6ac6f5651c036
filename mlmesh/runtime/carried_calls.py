"""The carried calls of one stream, whatever carries its messages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mlmesh.runtime.call import Call
from mlmesh.runtime.carried import Carried, failed_reply
from mlmesh.runtime.chain import Chain
from mlmesh.runtime.errors import Conflict, Overloaded, ServingError
from mlmesh.v1 import mesh_pb2 as pb

MAX_CARRIED = 4096
MESSAGE_BYTES = 2**20
"""Responses that go into one message; more of them wait for the next."""
TELL_SECONDS = 0.001
"""Within which replies say what was read. A message that says nothing else costs as much as one
with replies; only calls that take longer are worth it."""


class CarriedCalls:
    """The calls under way on one stream, and the replies that wait to be written.

    Replies that become ready while a message is being written leave together in the next one.

    call: the stream's own. limit: calls that may be under way; the next ones are refused, each
    alone. changed: called when `due` or `idle` may have turned true, perhaps within `take`.
    """

    def __init__(self, chain: Chain, call: Call, limit: int, changed: Callable[[], None]) -> None:
        self._chain = chain
        self._call = call
        self._limit = limit
        self._changed = changed
        self._running: dict[int, Carried] = {}
        self._ready: list[pb.Reply] = []
        self._read = 0
        self._told = 0
        self._timer: asyncio.TimerHandle | None = None
        self._telling = False
        """Whether what was read is told for its own sake."""

    @property
    def due(self) -> bool:
        """Whether there is a message to write."""
        return bool(self._ready or self._telling)

    @property
    def idle(self) -> bool:
        return not (self._ready or self._running)

    @property
    def full(self) -> bool:
        """Whether its caller does not take its replies, and should not be read from either."""
        return len(self._ready) >= self._limit

    def take(self, request: pb.CarryRequest) -> None:
        """Start the calls of one message, and give up those that it names."""
        for carried in request.calls:
            self._start(carried)
        for call_id in request.cancelled:
            if one := self._running.pop(call_id, None):
                one.give_up()
                self._changed()
        self._read += 1
        self._tell_soon()

    def message(self) -> pb.CarryResponse:
        """The next message to write."""
        self._told = self._read
        self._telling = False
        return pb.CarryResponse(replies=self._some_ready(), taken=self._told)

    def close(self) -> None:
        """Give up all that is under way."""
        if self._timer is not None:
            self._timer.cancel()
        running, self._running = self._running, {}
        for one in running.values():
            one.give_up()

    def _tell_soon(self) -> None:
        """The replies will say what was read, unless they take their time."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TELL_SECONDS, self._tell)

    def _tell(self) -> None:
        self._timer = None
        if self._told < self._read:
            self._telling = True
            self._changed()

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

    def _start(self, carried: pb.Call) -> None:
        if carried.id in self._running:
            twice = Conflict(f"calls: id {carried.id} is under way on this stream already")
            self._refuse(carried, twice)
        elif len(self._running) >= self._limit:
            full = Overloaded(f"calls: {self._limit} are under way on this stream already")
            self._refuse(carried, full)
        else:
            self._running[carried.id] = one = Carried(carried, self._reply)
            one.begin(self._chain, self._call)

    def _refuse(self, carried: pb.Call, error: ServingError) -> None:
        self._put(failed_reply(carried.id, error.status()))

    def _reply(self, carried: Carried, reply: pb.Reply) -> None:
        # Nobody waits for the reply of a call that was cancelled; its id may be another's by now.
        if self._running.get(reply.id) is carried:
            del self._running[reply.id]
            self._put(reply)

    def _put(self, reply: pb.Reply) -> None:
        self._ready.append(reply)
        self._changed()
