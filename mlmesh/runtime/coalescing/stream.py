"""One stream that carries calls to a replica, from its opening to its end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import grpc

from mlmesh.runtime.coalescing.envelope import CALL_BYTES, add_call, settle
from mlmesh.runtime.coalescing.options import Coalescing
from mlmesh.runtime.coalescing.pending import Holder, PendingCall
from mlmesh.v1 import mesh_pb2 as pb

logger = logging.getLogger(__name__)

MOST_CANCELLED = 4096
"""Ids given up in one message."""
HELLO_SECONDS = 2.0
"""For a server to say the first word of a stream."""


class Source(Holder, Protocol):
    """Whose calls it carries."""

    load: int
    """Weight of the calls that are waited for; it shrinks as they are answered."""

    def opened(self, stream: CarryStream) -> None:
        """The server has said its first word."""

    def heard_of(self) -> None:
        """The server has said something."""

    def sent(self, calls: int) -> None:
        """A message left with so many calls."""


class CarryStream:
    """call: of gRPC, or of a socket, where what `write` gives is None for what has left already.

    queue: calls whose holder is `source`; they leave in its order. early: so many, and half of what
    was carried lately, leave at once when no more are carried; 0: all wait for the end of the event
    loop's turn.
    """

    def __init__(
        self,
        call: Any,
        queue: deque[PendingCall],
        options: Coalescing,
        source: Source,
        early: int = 0,
    ) -> None:
        self.carried: dict[int, PendingCall] = {}
        """Those that are not answered yet, by their ids."""
        self.largest = options.message_bytes
        self._call = call
        self._queue = queue
        self._options = options
        self._source = source
        self._early = early
        self._peak = 0
        """Calls that were carried at once lately."""
        self._cancelled: list[int] = []
        self._count = 0
        self._sent = 0
        self._taken = 0
        self._writing = False
        self._due = False
        self._retired = False
        self._tasks: set[asyncio.Future[None]] = set()

    async def converse(self) -> None:
        """Until the server ends it: what that has not answered, it has never begun.

        Raises AioRpcError, DecodeError, and TimeoutError when the server does not say a word.
        """
        async with asyncio.timeout(HELLO_SECONDS):
            first = await self._call.read()
        if first is grpc.aio.EOF:
            return
        hello = pb.CarryResponse.FromString(first)
        if hello.max_message_bytes:
            self.largest = min(self.largest, hello.max_message_bytes - CALL_BYTES)
        self._source.opened(self)
        while (message := await self._call.read()) is not grpc.aio.EOF:
            self._dispatch(message)

    def close(self) -> None:
        self._call.cancel()
        for task in self._tasks:
            task.cancel()

    def retire(self) -> None:
        """Take no more calls, and end when those that it has are answered or given up."""
        self._retired = True
        self._leave_when_idle()

    def give_back(self) -> list[PendingCall]:
        """The calls that it will not answer."""
        calls = list(self.carried.values())
        self.carried.clear()
        for pending in calls:
            pending.number = 0
            pending.holder = None
            self._source.load -= pending.weight
        return calls

    def let_go(self, pending: PendingCall) -> None:
        self._source.load -= pending.weight
        if pending.number and self.carried.pop(pending.number, None) is not None:
            self._cancelled.append(pending.number)
            self.flush_soon()
        pending.number = 0

    def probe(self) -> None:
        """Send a message without calls, for an answer that says that the server is alive."""
        if not self._writing:
            self._write(pb.CarryRequest())

    def offer(self) -> None:
        """There is one more call in the queue."""
        half = max(self._early, self._peak // 2)
        if self._early and len(self._queue) >= half >= len(self.carried):
            self._flush()
        else:
            self.flush_soon()

    def flush_soon(self) -> None:
        if not self._due and not self._writing:
            # Whatever else comes in this turn of the loop leaves with it.
            self._due = True
            asyncio.get_running_loop().call_soon(self._flush_due)

    def _flush_due(self) -> None:
        self._due = False
        self._flush()

    def _flush(self) -> None:
        if self._writing:
            return
        message = None
        room = self._sent - self._taken < self._options.messages
        if self._queue and room and not self._retired:
            message = self._next_message()
        if self._cancelled:
            message = message or pb.CarryRequest()
            message.cancelled.extend(self._cancelled[:MOST_CANCELLED])
            del self._cancelled[:MOST_CANCELLED]
        if message is not None:
            self._write(message)
        elif self._retired:
            self._leave_when_idle()

    def _next_message(self) -> pb.CarryRequest | None:
        """As many of the calls that wait as one message takes; None when nobody waits any more."""
        queue, carried, options, source = self._queue, self.carried, self._options, self._source
        room = min(options.message_calls, options.carried - len(carried))
        message = pb.CarryRequest()
        size = count = 0
        number = self._sent + 1
        now = time.monotonic()
        while queue and count < room:
            pending = queue[0]
            if pending.holder is not source:
                queue.popleft()
                continue
            size += len(pending.request) + CALL_BYTES
            if count and size > self.largest:
                break
            queue.popleft()
            left = pending.call.deadline - now
            if left <= 0:
                # Its deadline is a tick away; whoever watches those tells the caller.
                continue
            self._count += 1
            pending.number = self._count
            pending.message = number
            pending.holder = self
            carried[self._count] = pending
            add_call(message, self._count, pending, left)
            count += 1
        if not count:
            return None
        source.sent(count)
        self._peak = max(len(carried), self._peak - 1)
        return message

    def _write(self, message: pb.CarryRequest) -> None:
        self._sent += 1
        writing = self._call.write(message.SerializeToString())
        if writing is not None:
            self._writing = True
            self._start(writing, self._written)
        elif self._queue or self._cancelled or self._retired:
            self.flush_soon()

    def _written(self, writing: asyncio.Future[None]) -> None:
        if writing.cancelled():
            return
        if error := writing.exception():
            # The reader learns of it as well, and knows what to do.
            logger.debug("a message was not sent", extra={"reason": repr(error)})
        self._writing = False
        if self._queue or self._cancelled or self._retired:
            self._flush()

    def _dispatch(self, message: bytes) -> None:
        response = pb.CarryResponse.FromString(message)
        self._source.heard_of()
        taken = response.taken
        carried = self.carried
        for reply in response.replies:
            pending = carried.pop(reply.id, None)
            if pending is None:
                # It was given up, or never asked for.
                continue
            taken = max(taken, pending.message)
            pending.number = 0
            settle(pending, reply)
        self._taken = max(self._taken, min(taken, self._sent))
        if (self._queue or self._retired) and not self._writing:
            self._flush()

    def _leave_when_idle(self) -> None:
        if not (self.carried or self._cancelled or self._writing):
            # Nothing more is written: even a second look finds no calls here.
            self._writing = True
            self._start(self._call.done_writing(), self._half_closed)

    def _half_closed(self, ending: asyncio.Future[None]) -> None:
        if not ending.cancelled() and (error := ending.exception()):
            logger.debug("a stream was not ended", extra={"reason": repr(error)})

    def _start(
        self, writing: Awaitable[None], ended: Callable[[asyncio.Future[None]], None]
    ) -> None:
        task = asyncio.ensure_future(writing)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(ended)
