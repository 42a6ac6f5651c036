"""The replicas of one target: which of them gets a call, and who gets it when that one is gone."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import grpc

from mlmesh.runtime.call import Call
from mlmesh.runtime.coalescing.budget import RetryBudget, pause_before
from mlmesh.runtime.coalescing.closed import Closed
from mlmesh.runtime.coalescing.options import Coalescing
from mlmesh.runtime.coalescing.pending import PendingCall
from mlmesh.runtime.coalescing.replica import Replica
from mlmesh.runtime.coalescing.resolver import addresses_of
from mlmesh.runtime.coalescing.tally import Tally
from mlmesh.runtime.coalescing.target import Named, Static
from mlmesh.runtime.contracts import Method
from mlmesh.runtime.deadlines import Deadlines
from mlmesh.runtime.errors import DeadlineExceeded, Overloaded
from mlmesh.runtime.failure import not_available

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
"""Between two looks at the replicas."""
START_SECONDS = 3.0
"""A target that was never there gets so much longer, for its first connection."""
OpenChannel = Callable[[str], grpc.aio.Channel]


class Pool:
    """A context manager; calls that are not answered when the block ends fail."""

    def __init__(
        self,
        target: Static | Named,
        options: Coalescing,
        open_channel: OpenChannel,
        tally: Tally,
    ) -> None:
        self._tally = tally
        self._target = target
        self._options = options
        self._open_channel = open_channel
        self._replicas: dict[str, Replica] = {}
        self._retired: set[Replica] = set()
        self._ready: list[Replica] = []
        self._stranded: dict[PendingCall, None] = {}
        self._under_way = 0
        self._turn = 0
        self._deadlines: Deadlines[PendingCall] = Deadlines(expire)
        self._budget = RetryBudget(options.retry_tokens)
        self._gone_since = time.monotonic() + START_SECONDS
        self._resolve_at = 0.0
        self._changed = asyncio.Event()
        self._closed = False

    async def __aenter__(self) -> Pool:
        if isinstance(self._target, Static):
            self.use(self._target.addresses)
        self._looking = asyncio.create_task(self._look_again())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closed = True
        self._looking.cancel()
        with suppress(asyncio.CancelledError):
            await self._looking
        replicas = [*self._replicas.values(), *self._retired]
        leaving = Closed()
        for replica in replicas:
            for pending in replica.take_back(lambda _: True):
                pending.refuse(leaving)
        for pending in [*self._stranded]:
            pending.refuse(leaving)
        await asyncio.gather(*(replica.close() for replica in replicas))
        self._deadlines.close()

    def begin(self, method: Method, request: bytes, call: Call) -> PendingCall:
        """Raises Overloaded or DeadlineExceeded at once."""
        if self._under_way >= self._options.waiting:
            raise Overloaded(f"{self._under_way} calls to {method.service} are under way already")
        if call.remaining <= 0:
            raise DeadlineExceeded("the deadline passed before the call could be sent on")
        pending = PendingCall(self, method, request, call)
        self._under_way += 1
        if pending.expires:
            pending.tick = self._deadlines.add(pending, call.deadline)
        self._place(pending)
        return pending

    @asynccontextmanager
    async def lent_channel(self, method: Method, call: Call) -> AsyncIterator[grpc.aio.Channel]:
        """The channel of a replica, for a stream that counts as a call of its."""
        replica = self._choose()
        while replica is None:
            left = min(call.remaining, self._patience_ends - time.monotonic())
            if left <= 0 or self._closed:
                raise not_available(method)
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._changed.wait()
            replica = self._choose()
        weight = len(method.path)
        replica.load += weight
        try:
            yield replica.channel
        finally:
            replica.load -= weight

    def released(self, pending: PendingCall) -> None:
        self._under_way -= 1
        if pending.expires:
            self._deadlines.remove(pending, pending.tick)
        self._stranded.pop(pending, None)
        self._budget.earn(1)

    def sent(self, calls: int) -> None:
        self._tally.sent(calls)

    def changed(self) -> None:
        """A replica has become ready, or is so no more."""
        had = bool(self._ready)
        ready = [replica for replica in self._replicas.values() if replica.ready]
        self._ready = [replica for replica in ready if not replica.silent] or ready
        self._changed.set()
        if self._ready:
            for pending in [*self._stranded]:
                del self._stranded[pending]
                self._place(pending)
        elif had:
            self._gone_since = time.monotonic()
        if len(self._ready) < len(self._replicas):
            self._resolve_at = min(self._resolve_at, time.monotonic() + 1)

    def lost(self, calls: list[PendingCall], *, begun: bool) -> None:
        """Send calls that a replica will not answer to another, where that does no harm."""
        for pending in calls:
            if pending.done():
                continue
            if not begun or self._may_repeat(pending):
                self._place(pending)
            else:
                pending.refuse(not_available(pending.method))

    def again(self, pending: PendingCall) -> bool:
        if self._closed or not self._may_repeat(pending):
            return False
        pending.withdraw()
        self._stranded[pending] = None
        pause = pause_before(pending.attempts)
        asyncio.get_running_loop().call_later(pause, self._place_stranded, pending)
        return True

    def _place_stranded(self, pending: PendingCall) -> None:
        if pending in self._stranded:
            del self._stranded[pending]
            self._place(pending)

    def _may_repeat(self, pending: PendingCall) -> bool:
        fresh = pending.attempts < self._options.attempts
        if not (pending.method.repeatable and fresh and self._budget.spend()):
            return False
        self._tally.repeated()
        pending.note_again()
        return True

    def _place(self, pending: PendingCall) -> None:
        replica = self._choose()
        if replica is not None and not self._closed:
            replica.take(pending)
        elif self._closed or time.monotonic() >= self._patience_ends:
            pending.refuse(not_available(pending.method))
        else:
            self._stranded[pending] = None

    def _choose(self) -> Replica | None:
        """The replica with the least to do; of equal ones the one that was chosen longest ago."""
        ready = self._ready
        if len(ready) == 1:
            return ready[0]
        chosen = min(ready, key=_load, default=None)
        if chosen is not None:
            self._turn += 1
            chosen.turn = self._turn
        return chosen

    @property
    def _patience_ends(self) -> float:
        return self._gone_since + self._options.patience_seconds

    async def _look_again(self) -> None:
        while True:
            try:
                await self._look()
            except Exception:
                # Without this task nobody would notice what is frozen, new or gone.
                logger.exception("looking at the replicas failed")
            await asyncio.sleep(LOOK_SECONDS if self._replicas else LOOK_SECONDS / 5)

    async def _look(self) -> None:
        now = time.monotonic()
        if isinstance(self._target, Named) and now >= self._resolve_at:
            self._resolve_at = now + self._options.resolve_seconds
            await self._resolve(self._target)
        for replica in [*self._replicas.values()]:
            self._listen(replica, now)
        for replica in [*self._retired]:
            if not replica.busy:
                self._retired.discard(replica)
                await replica.close()
        if not self._ready and now >= self._patience_ends:
            for pending in [*self._stranded]:
                pending.refuse(not_available(pending.method))

    def _listen(self, replica: Replica, now: float) -> None:
        """Ask a replica that has said nothing for a while whether it is there."""
        if not replica.carrying or not replica.busy:
            replica.heard = now
            return
        quiet = now - replica.heard
        if quiet >= LOOK_SECONDS:
            replica.probe()
        others = any(other is not replica for other in self._ready)
        if quiet >= self._options.silence_seconds and others and not replica.silent:
            logger.warning("replica is silent", extra={"replica": replica.address})
            replica.silent = True
            self.changed()
            self.lost(replica.take_back(self._may_repeat), begun=False)

    async def _resolve(self, name: Named) -> None:
        try:
            self.use(await addresses_of(name))
        except (OSError, TimeoutError) as error:
            logger.warning("name not resolved", extra={"host": name.host, "reason": str(error)})
            self._resolve_at = time.monotonic() + 1

    def use(self, addresses: tuple[str, ...]) -> None:
        """These are the replicas now; those that are gone end what they have begun."""
        for address in addresses:
            if address not in self._replicas:
                channel = self._open_channel(address)
                self._replicas[address] = Replica(address, channel, self._options, self)
        if not addresses:
            return
        for address in self._replicas.keys() - set(addresses):
            replica = self._replicas.pop(address)
            self._retired.add(replica)
            self.changed()
            replica.retire()


def _load(replica: Replica) -> tuple[int, int]:
    return replica.load, replica.turn


def expire(pending: PendingCall) -> None:
    pending.refuse(DeadlineExceeded("the deadline passed before the answer was ready"))
