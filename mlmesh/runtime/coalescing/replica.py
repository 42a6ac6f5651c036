"""One replica of a service: a channel to it, and the stream that carries its calls."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from mlmesh.runtime.coalescing.beside import Beside
from mlmesh.runtime.coalescing.envelope import CALL_BYTES, add_call, settle
from mlmesh.runtime.coalescing.options import Coalescing
from mlmesh.runtime.coalescing.pending import PendingCall
from mlmesh.runtime.coalescing.state import Keeper, State
from mlmesh.v1 import mesh_pb2 as pb

logger = logging.getLogger(__name__)

CARRY = "/mlmesh.v1.MeshService/Carry"
MOST_CANCELLED = 4096
"""Ids given up in one message."""
HELLO_SECONDS = 2.0
"""For a server to say the first word of a stream."""
AGAIN_SECONDS = 0.1
"""Before a stream that ended is opened again."""


class Replica:
    """Takes calls while `ready`. channel: belongs to it."""

    def __init__(
        self, address: str, channel: grpc.aio.Channel, options: Coalescing, keeper: Keeper
    ) -> None:
        self.address = address
        self.channel = channel
        self.state = State.CONNECTING
        self.load = 0
        """Weight of the calls that it has."""
        self.heard = time.monotonic()
        self.silent = False
        """It has calls and says nothing: only who finds no other replica gives it more."""
        self._options = options
        self._keeper = keeper
        self._largest = options.message_bytes
        self._queue: deque[PendingCall] = deque()
        self._carried: dict[int, PendingCall] = {}
        self._beside = Beside(channel, options.failure, self._lose_one)
        self._cancelled: list[int] = []
        self._count = 0
        self._sent = 0
        self._taken = 0
        self._stream: Any = None
        self._writing = False
        self._due = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._running = asyncio.create_task(self._run())

    @property
    def ready(self) -> bool:
        return self.state in (State.CARRYING, State.PLAIN)

    @property
    def carrying(self) -> bool:
        return self.state is State.CARRYING

    @property
    def busy(self) -> bool:
        return bool(self._carried or self._queue or self._beside)

    def take(self, pending: PendingCall) -> None:
        pending.holder = self
        self.load += pending.weight
        options = self._options
        if (
            self.state is not State.CARRYING
            or not options.enabled
            or len(pending.request) >= min(options.large_bytes, self._largest)
            or pending.method.path in options.apart
        ):
            self._keeper.sent(1)
            self._beside.send(pending)
            return
        self._queue.append(pending)
        self._flush_soon()

    def let_go(self, pending: PendingCall) -> None:
        self.load -= pending.weight
        if pending.number:
            if self._carried.pop(pending.number, None) is not None:
                self._cancelled.append(pending.number)
                self._flush_soon()
            pending.number = 0
        else:
            self._beside.give_up(pending)

    def probe(self) -> None:
        """Send a message without calls, for an answer that says that it is alive."""
        if self.state is State.CARRYING and not self._writing:
            self._write(pb.CarryRequest())

    def take_back(self, wanted: Callable[[PendingCall], bool]) -> list[PendingCall]:
        """Give up the calls that are `wanted` elsewhere, and those that were never sent."""
        calls = self._unsent()
        for pending in [*self._carried.values(), *self._beside.calls()]:
            if wanted(pending):
                self.let_go(pending)
                pending.holder = None
                calls.append(pending)
        return calls

    def retire(self) -> None:
        """Answer what was begun and take no more."""
        self.state = State.LEAVING
        self._keeper.lost(self._unsent(), begun=False)

    async def close(self) -> None:
        """Let go of everything, at once; calls that it still has are lost."""
        self.state = State.LEAVING
        self._running.cancel()
        self._beside.close()
        for task in self._tasks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await self._running
        await self.channel.close()

    async def _run(self) -> None:
        """Keep a stream open for as long as there is a server that knows it."""
        while self.state is not State.LEAVING or self.busy:
            try:
                await self._converse()
            except asyncio.CancelledError:
                raise
            except Exception:
                # Whatever it was, the next stream begins anew.
                logger.exception("carrying calls failed", extra={"replica": self.address})
                self._lose(begun=True)
            await asyncio.sleep(AGAIN_SECONDS)

    async def _converse(self) -> None:
        """One stream, from its opening to its end."""
        carry: Any = self.channel.stream_stream(CARRY)
        await self.channel.channel_ready()
        stream = carry()
        try:
            first = await asyncio.wait_for(stream.read(), HELLO_SECONDS)
            if first is grpc.aio.EOF:
                return
            self._open(stream, first)
            while (message := await stream.read()) is not grpc.aio.EOF:
                self._dispatch(message)
            # The server is leaving: what it has not answered it has never begun.
            self._lose(begun=False)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                await self._serve_plainly()
            self._lose(begun=True)
        except TimeoutError:
            # Whatever it takes the call for, it is not Carry.
            stream.cancel()
            await self._serve_plainly()
            self._lose(begun=True)
        except DecodeError:
            logger.error("replies cannot be read", extra={"replica": self.address})
            self._lose(begun=True)
        finally:
            self._stream = None
            stream.cancel()

    def _open(self, stream: Any, first: bytes) -> None:
        hello = pb.CarryResponse.FromString(first)
        self._sent = self._taken = 0
        self._largest = self._options.message_bytes
        if hello.max_message_bytes:
            self._largest = min(self._largest, hello.max_message_bytes - CALL_BYTES)
        self._cancelled.clear()
        self._stream = stream
        self._turn(State.CARRYING)

    async def _serve_plainly(self) -> None:
        """Take calls until the connection is lost."""
        self._turn(State.PLAIN)
        state = self.channel.get_state()
        while state is grpc.ChannelConnectivity.READY:
            await self.channel.wait_for_state_change(state)
            state = self.channel.get_state(try_to_connect=True)

    def _turn(self, state: State) -> None:
        if self.state is not State.LEAVING:
            self.state = state
        self.heard = time.monotonic()
        self.silent = False
        self._keeper.changed()

    def _lose(self, *, begun: bool) -> None:
        """The stream has ended: give its calls back."""
        self._stream = None
        if self.state is not State.LEAVING:
            self.state = State.CONNECTING
        unsent = self._unsent()
        carried = list(self._carried.values())
        self._carried.clear()
        for pending in carried:
            pending.number = 0
            self.load -= pending.weight
            pending.holder = None
        self._keeper.changed()
        self._keeper.lost(unsent, begun=False)
        self._keeper.lost(carried, begun=begun)

    def _lose_one(self, pending: PendingCall) -> None:
        if pending.holder is self:
            self.load -= pending.weight
            pending.holder = None
            self._keeper.lost([pending], begun=True)

    def _unsent(self) -> list[PendingCall]:
        calls = [pending for pending in self._queue if pending.holder is self]
        self._queue.clear()
        for pending in calls:
            self.load -= pending.weight
            pending.holder = None
        return calls

    def _flush_soon(self) -> None:
        if not self._due and not self._writing:
            # Whatever else comes in this turn of the loop leaves with it.
            self._due = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._due = False
        if self._writing or self._stream is None:
            return
        message = None
        if self._queue and self._sent - self._taken < self._options.messages:
            message = self._next_message()
        if self._cancelled:
            message = message or pb.CarryRequest()
            message.cancelled.extend(self._cancelled[:MOST_CANCELLED])
            del self._cancelled[:MOST_CANCELLED]
        if message is not None:
            self._write(message)

    def _next_message(self) -> pb.CarryRequest | None:
        """As many of the calls that wait as one message takes; None when nobody waits any more."""
        queue, carried, options = self._queue, self._carried, self._options
        room = min(options.message_calls, options.carried - len(carried))
        message = pb.CarryRequest()
        size = count = 0
        number = self._sent + 1
        now = time.monotonic()
        while queue and count < room:
            pending = queue[0]
            if pending.holder is not self:
                queue.popleft()
                continue
            size += len(pending.request) + CALL_BYTES
            if count and size > self._largest:
                break
            queue.popleft()
            left = pending.call.deadline - now
            if left <= 0:
                # Its deadline is a tick away; whoever watches those tells the caller.
                continue
            self._count += 1
            pending.number = self._count
            pending.message = number
            carried[self._count] = pending
            add_call(message, self._count, pending, left)
            count += 1
        if not count:
            return None
        self._keeper.sent(count)
        return message

    def _write(self, message: pb.CarryRequest) -> None:
        self._sent += 1
        self._writing = True
        writing = asyncio.get_running_loop().create_task(self._written(self._stream, message))
        self._tasks.add(writing)
        writing.add_done_callback(self._tasks.discard)

    async def _written(self, stream: Any, message: pb.CarryRequest) -> None:
        try:
            await stream.write(message.SerializeToString())
        except Exception as error:
            # The reader learns of it as well, and knows what to do.
            logger.debug("a message was not sent", extra={"reason": repr(error)})
        finally:
            self._writing = False
            if self._queue or self._cancelled:
                self._flush()

    def _dispatch(self, message: bytes) -> None:
        response = pb.CarryResponse.FromString(message)
        self.heard = time.monotonic()
        if self.silent:
            self._turn(self.state)
        taken = response.taken
        carried = self._carried
        for reply in response.replies:
            pending = carried.pop(reply.id, None)
            if pending is None:
                # It was given up, or never asked for.
                continue
            taken = max(taken, pending.message)
            pending.number = 0
            settle(pending, reply)
        self._taken = max(self._taken, min(taken, self._sent))
        if self._queue and not self._writing:
            self._flush()
