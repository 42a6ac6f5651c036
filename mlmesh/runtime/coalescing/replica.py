"""One replica of a service: a channel to it, and the stream that carries its calls."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from mlmesh.runtime.coalescing.beside import Beside
from mlmesh.runtime.coalescing.options import Coalescing
from mlmesh.runtime.coalescing.pending import PendingCall
from mlmesh.runtime.coalescing.socket_call import SocketCall, open_socket_call
from mlmesh.runtime.coalescing.state import Keeper, State
from mlmesh.runtime.coalescing.stream import CarryStream
from mlmesh.runtime.neighbours import neighbour

logger = logging.getLogger(__name__)

CARRY = "/mlmesh.v1.MeshService/Carry"
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
        self.turn = 0
        """When it was chosen last, as a number that only grows."""
        self.heard = time.monotonic()
        self.silent = False
        """It has calls and says nothing: only who finds no other replica gives it more."""
        self._options = options
        self._keeper = keeper
        self._queue: deque[PendingCall] = deque()
        self._beside = Beside(channel, options.failure, self._lose_one)
        self._stream: CarryStream | None = None
        """The one that takes calls; others may still answer theirs."""
        self._streams: dict[CarryStream, asyncio.Task[None]] = {}
        self._running = asyncio.create_task(self._run())

    @property
    def ready(self) -> bool:
        return self.state in (State.CARRYING, State.PLAIN)

    @property
    def carrying(self) -> bool:
        return self.state is State.CARRYING

    @property
    def busy(self) -> bool:
        carried = any(stream.carried for stream in self._streams)
        return bool(carried or self._queue or self._beside)

    def take(self, pending: PendingCall) -> None:
        pending.holder = self
        self.load += pending.weight
        options, stream = self._options, self._stream
        if (
            stream is None
            or self.state is not State.CARRYING
            or not options.enabled
            or len(pending.request) >= min(options.large_bytes, stream.largest)
            or pending.method.path in options.apart
        ):
            self._keeper.sent(1)
            self._beside.send(pending)
            return
        self._queue.append(pending)
        stream.offer()

    def let_go(self, pending: PendingCall) -> None:
        self.load -= pending.weight
        self._beside.give_up(pending)

    def probe(self) -> None:
        """Ask for a sign of life."""
        if self.state is State.CARRYING and self._stream is not None:
            self._stream.probe()

    def take_back(self, wanted: Callable[[PendingCall], bool]) -> list[PendingCall]:
        """Give up the calls that are `wanted` elsewhere, and those that were never sent."""
        calls = self._unsent()
        carried = [pending for stream in self._streams for pending in stream.carried.values()]
        for pending in [*carried, *self._beside.calls()]:
            if wanted(pending):
                pending.withdraw()
                calls.append(pending)
        return calls

    def retire(self) -> None:
        """Answer what was begun and take no more."""
        self.state = State.LEAVING
        self._keeper.lost(self._unsent(), begun=False)

    async def close(self) -> None:
        """Let go of everything, at once; calls that it still has are lost."""
        self.state = State.LEAVING
        self._beside.close()
        tasks = [self._running, *self._streams.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.channel.close()

    def opened(self, stream: CarryStream) -> None:
        before, self._stream = self._stream, stream
        if before is not None:
            before.retire()
        self._turn(State.CARRYING)
        if self._queue:
            stream.flush_soon()

    def heard_of(self) -> None:
        self.heard = time.monotonic()
        if self.silent:
            self._turn(self.state)

    def sent(self, calls: int) -> None:
        self._keeper.sent(calls)

    async def _run(self) -> None:
        """Keep a stream open for as long as there is a server that knows it."""
        while self.state is not State.LEAVING or self.busy:
            try:
                await self._outlived()
            except Exception:
                logger.exception("no stream was opened", extra={"replica": self.address})
                await asyncio.sleep(AGAIN_SECONDS)

    async def _outlived(self) -> None:
        """Open a stream; come back when it has ended, or is so old that it needs a successor."""
        await self.channel.channel_ready()
        near = await self._near()
        # A message of gRPC costs more than what waits for it gains.
        early = self._options.early_calls if near is not None else 0
        stream = CarryStream(near or self._far(), self._queue, self._options, self, early)
        task = self._streams[stream] = asyncio.create_task(self._lived(stream))
        old = False
        while not (task.done() or old):
            await asyncio.wait({task}, timeout=self._options.stream_seconds)
            old = self._stream is stream and self.state is State.CARRYING
        if task.done():
            await asyncio.sleep(AGAIN_SECONDS)

    async def _near(self) -> SocketCall | None:
        """A way past gRPC, where the server is on this machine and offers one."""
        path = neighbour(self._options.folder, self.address)
        return await open_socket_call(path) if path is not None else None

    def _far(self) -> Any:
        carry: Any = self.channel.stream_stream(CARRY)
        return carry()

    async def _lived(self, stream: CarryStream) -> None:
        """A stream, from its opening to its end."""
        begun = True
        try:
            await stream.converse()
            begun = False
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                await self._serve_plainly(stream)
        except TimeoutError:
            # Whatever it takes the call for, it is not Carry.
            stream.close()
            await self._serve_plainly(stream)
        except DecodeError:
            logger.error("replies cannot be read", extra={"replica": self.address})
        except Exception:
            # Whatever it was, the next stream begins anew.
            logger.exception("carrying calls failed", extra={"replica": self.address})
        finally:
            del self._streams[stream]
            stream.close()
            self._lose(stream, begun=begun)

    async def _serve_plainly(self, stream: CarryStream) -> None:
        """Take calls until the connection is lost."""
        if self._stream not in (None, stream):
            # The server did know Carry, and is only too busy for a successor.
            return
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

    def _lose(self, stream: CarryStream, *, begun: bool) -> None:
        """It has ended: give its calls back."""
        unsent: list[PendingCall] = []
        if self._stream in (None, stream):
            self._stream = None
            if self.state is not State.LEAVING:
                self.state = State.CONNECTING
            unsent = self._unsent()
            self._keeper.changed()
        carried = stream.give_back()
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
