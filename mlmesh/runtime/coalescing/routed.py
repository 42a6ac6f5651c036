"""Calls to a target whose replicas are chosen for every message by what gRPC is told (`xds:///`).

A stream would pin its calls to one replica, so that each message is a unary CarryBatch. Only calls
of one method and with equal routing headers share one: these decide who answers.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from mlmesh.runtime.call import Call
from mlmesh.runtime.coalescing.budget import RetryBudget, pause_before
from mlmesh.runtime.coalescing.closed import Closed
from mlmesh.runtime.coalescing.envelope import CALL_BYTES, add_call, settle
from mlmesh.runtime.coalescing.options import Coalescing
from mlmesh.runtime.coalescing.pending import PendingCall
from mlmesh.runtime.coalescing.plain import send_plain
from mlmesh.runtime.coalescing.pool import OpenChannel, expire
from mlmesh.runtime.coalescing.tally import Tally
from mlmesh.runtime.coalescing.target import Routed
from mlmesh.runtime.contracts import Method
from mlmesh.runtime.deadlines import Deadlines
from mlmesh.runtime.errors import (
    DeadlineExceeded,
    InternalError,
    Overloaded,
    ServingError,
)
from mlmesh.runtime.failure import not_available, was_not_answered
from mlmesh.runtime.hop import hop_seconds
from mlmesh.v1 import mesh_pb2 as pb

CARRY_BATCH = "/mlmesh.v1.MeshService/CarryBatch"
MESSAGES = 8
"""Messages of one kind that may be under way: each is answered when its slowest call is."""
FOREVER_SECONDS = 3600.0
Key = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(slots=True)
class _Lane:
    """Calls that may share a message."""

    waiting: deque[PendingCall] = field(default_factory=deque)
    messages: int = 0
    due: bool = False


class RoutedCalls:
    """A context manager; calls that are not answered when the block ends fail."""

    def __init__(
        self, target: Routed, options: Coalescing, open_channel: OpenChannel, tally: Tally
    ) -> None:
        self._tally = tally
        self._target = target
        self._options = options
        self._open_channel = open_channel
        self._lanes: dict[Key, _Lane] = {}
        self._calls: dict[PendingCall, None] = {}
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._deadlines: Deadlines[PendingCall] = Deadlines(expire)
        self._budget = RetryBudget(options.retry_tokens)
        self._plain = not options.enabled

    async def __aenter__(self) -> RoutedCalls:
        self._channel = self._open_channel(self._target.target)
        return self

    async def __aexit__(self, *_: object) -> None:
        for pending in [*self._calls]:
            pending.refuse(Closed())
        for task in self._tasks:
            task.cancel()
        await self._channel.close()
        self._deadlines.close()

    def begin(self, method: Method, request: bytes, call: Call) -> PendingCall:
        """Raises Overloaded or DeadlineExceeded at once."""
        if len(self._calls) >= self._options.waiting:
            raise Overloaded(f"{len(self._calls)} calls to {method.service} are under way already")
        if call.remaining <= 0:
            raise DeadlineExceeded("the deadline passed before the call could be sent on")
        pending = PendingCall(self, method, request, call)
        self._calls[pending] = None
        if pending.expires:
            pending.tick = self._deadlines.add(pending, call.deadline)
        self._place(pending)
        return pending

    @asynccontextmanager
    async def lent_channel(self, method: Method, call: Call) -> AsyncIterator[grpc.aio.Channel]:
        yield self._channel

    def released(self, pending: PendingCall) -> None:
        self._calls.pop(pending, None)
        if pending.expires:
            self._deadlines.remove(pending, pending.tick)
        self._budget.earn(1)

    def _place(self, pending: PendingCall) -> None:
        options = self._options
        large = len(pending.request) >= options.large_bytes
        if self._plain or large or pending.method.path in options.apart:
            pending.attempts += 1
            self._tally.sent(1)
            self._start(self._send_alone(pending), [pending])
            return
        key = (pending.method.path, pending.call.routing)
        lane = self._lanes.setdefault(key, _Lane())
        lane.waiting.append(pending)
        if not lane.due and lane.messages < MESSAGES:
            lane.due = True
            asyncio.get_running_loop().call_soon(self._flush, key)

    def _flush(self, key: Key) -> None:
        lane = self._lanes.get(key)
        if lane is None:
            return
        lane.due = False
        while lane.messages < MESSAGES and (calls := self._next(lane)):
            lane.messages += 1
            self._start(self._send(key, lane, calls), calls)
        if not lane.messages and not lane.waiting:
            # Headers are the callers': lanes that nobody uses would pile up.
            del self._lanes[key]

    def _next(self, lane: _Lane) -> list[PendingCall]:
        calls: list[PendingCall] = []
        size = 0
        while lane.waiting and len(calls) < self._options.message_calls:
            pending = lane.waiting[0]
            size += len(pending.request) + CALL_BYTES
            if calls and size > self._options.message_bytes:
                break
            lane.waiting.popleft()
            if not pending.done():
                calls.append(pending)
        return calls

    async def _send(self, key: Key, lane: _Lane, calls: list[PendingCall]) -> None:
        try:
            await self._carry(key, calls)
        finally:
            lane.messages -= 1
            self._flush(key)

    async def _carry(self, key: Key, calls: list[PendingCall]) -> None:
        now = time.monotonic()
        message = pb.CarryRequest()
        longest = 0.0
        for number, pending in enumerate(calls, 1):
            left = min(max(pending.call.deadline - now, 1e-6), FOREVER_SECONDS)
            longest = max(longest, left)
            add_call(message, number, pending, left)
        self._tally.sent(len(calls))
        unary: Any = self._channel.unary_unary(CARRY_BATCH)
        try:
            answer = await unary(
                message.SerializeToString(), timeout=hop_seconds(longest), metadata=key[1]
            )
            replies = {reply.id: reply for reply in pb.CarryResponse.FromString(answer).replies}
        except grpc.aio.AioRpcError as error:
            self._failed(calls, error)
        except DecodeError:
            for pending in calls:
                pending.refuse(InternalError())
        else:
            for number, pending in enumerate(calls, 1):
                if reply := replies.get(number):
                    settle(pending, reply)
                else:
                    pending.refuse(InternalError())

    def _failed(self, calls: list[PendingCall], error: grpc.aio.AioRpcError) -> None:
        if error.code() is grpc.StatusCode.UNIMPLEMENTED:
            self._plain = True
        for pending in calls:
            if pending.done():
                continue
            if self._plain or self._may_repeat(pending, error):
                self._place(pending)
            else:
                pending.refuse(self._options.failure(pending.method, error))

    async def _send_alone(self, pending: PendingCall) -> None:
        try:
            answer = await send_plain(self._channel, pending, self._options.failure)
        except ServingError as error:
            pending.failed(error)
        except grpc.aio.AioRpcError as error:
            if self._may_repeat(pending, error):
                self._place(pending)
            else:
                pending.refuse(not_available(pending.method))
        else:
            pending.answer(answer)

    def again(self, pending: PendingCall) -> bool:
        if not self._fresh(pending):
            return False
        pending.withdraw()
        pause = pause_before(pending.attempts)
        asyncio.get_running_loop().call_later(pause, self._place_again, pending)
        return True

    def _place_again(self, pending: PendingCall) -> None:
        if not pending.done():
            self._place(pending)

    def _may_repeat(self, pending: PendingCall, error: grpc.aio.AioRpcError) -> bool:
        return was_not_answered(error) and self._fresh(pending)

    def _fresh(self, pending: PendingCall) -> bool:
        fresh = pending.attempts < self._options.attempts
        if not (pending.method.repeatable and fresh and self._budget.spend()):
            return False
        self._tally.repeated()
        pending.note_again()
        return True

    def _start(self, sending: Any, calls: list[PendingCall]) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(sending)
        self._tasks[task] = None
        task.add_done_callback(lambda done: self._tasks.pop(done, None))
        holder = _Message(task, len(calls))
        for pending in calls:
            pending.holder = holder


class _Message:
    """What is under way; nobody answers it any more when its last caller has gone."""

    __slots__ = ("_left", "_task")

    def __init__(self, task: asyncio.Task[None], calls: int) -> None:
        self._task = task
        self._left = calls

    def let_go(self, pending: PendingCall) -> None:
        self._left -= 1
        if not self._left and pending.holder is self and asyncio.current_task() is not self._task:
            self._task.cancel()
