"""Dynamic batching without a timer.

While one batch runs, new items queue up; the next batch takes whatever is there, up to `max_batch`
rows, most urgent first. An idle service therefore answers at once, a busy one fills its batches.
Members of a batch never harm each other: when a run fails, its halves are run alone, and so on,
until only those to blame fail. With several runners, as many batches run side by side.
"""

from __future__ import annotations

import asyncio
import math
import time
from bisect import bisect_left, insort
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Self

from mlmesh.inference.cost import CostLine
from mlmesh.inference.stop import Stop
from mlmesh.inference.waiting import Item, Result, Running, Waiting
from mlmesh.runtime.call import CURRENT
from mlmesh.runtime.done import Awaited, Done
from mlmesh.runtime.errors import DeadlineExceeded, Overloaded, TooLarge, Unavailable
from mlmesh.runtime.tracing import MEMBERS, members_of

DEFAULT_PRIORITY = 100
"""Rank of items without a priority of their own; smaller ones go first."""

UNLOADED = "the model version was unloaded, try again"

RunBatch = Callable[[Sequence[Item], Stop], Awaitable[Sequence[Result]]]


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """What may wait, and what may run at once."""

    max_batch: int = 32
    """The most rows that one run takes; an item with more runs alone."""
    max_waiting: int = 4096
    """The most rows that may wait; the next ones are refused at once."""
    max_waiting_bytes: int = 256 * 2**20
    """The most bytes that may wait, likewise."""


DEFAULT_LIMITS = QueueLimits()


class Batcher(Generic[Item, Result]):
    """Runs items together.

    runners: each takes items and gives one result for each, in order; they share the queue.
    on_taken: told the seconds that every item waited before it ran. on_dropped: told why an item is
    not run: queue_full, too_large, hopeless, expired or given_up.
    """

    def __init__(
        self,
        *runners: RunBatch[Item, Result],
        limits: QueueLimits = DEFAULT_LIMITS,
        on_taken: Callable[[float], None] | None = None,
        on_dropped: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._runners = runners
        self._limits = limits
        self._on_taken = on_taken
        self._on_dropped = on_dropped
        self._queue: list[Waiting[Item, Result]] = []
        self._rows = 0
        self._bytes = 0
        self._count = 0
        self._arrived = asyncio.Event()
        self._cost = CostLine()
        self._running_until = [-math.inf] * len(runners)
        self._closed = False

    async def __aenter__(self) -> Self:
        self._workers = [asyncio.create_task(self._work(n)) for n in range(len(self._runners))]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closed = True
        for worker in self._workers:
            worker.cancel()
        await asyncio.wait(self._workers)
        for waiting in self._queue:
            waiting.fail(Unavailable(UNLOADED))
        # They hold the model: whoever still knows the batcher must not keep its memory.
        self._runners = ()

    @property
    def waiting_rows(self) -> int:
        return self._rows

    @property
    def waiting_bytes(self) -> int:
        return self._bytes

    async def submit(
        self,
        item: Item,
        size: int = 1,
        *,
        nbytes: int = 0,
        key: Hashable = None,
        deadline: float = math.inf,
        priority: int = 0,
    ) -> Result:
        """Wait for the result of `item`; for the arguments and what is raised see `begin`."""
        result: Awaited[Result] = Awaited()
        waiting = self.begin(
            item,
            size,
            result.tell,
            nbytes=nbytes,
            key=key,
            deadline=deadline,
            priority=priority,
        )
        try:
            return await result.get()
        except asyncio.CancelledError:
            self.give_up(waiting)
            raise

    def begin(
        self,
        item: Item,
        size: int,
        done: Done[Result],
        *,
        nbytes: int = 0,
        key: Hashable = None,
        deadline: float = math.inf,
        priority: int = 0,
    ) -> Waiting[Item, Result]:
        """Have `item` run with others, and `done` told its result, or a CancelledError when it is
        given up.

        size: how many rows the item holds. nbytes: how much memory. key: only items with equal keys
        run together. deadline: in seconds of time.monotonic(). priority: 1 is served first, larger
        numbers later; 0 is DEFAULT_PRIORITY. Raises at once: Overloaded when the queue is full,
        TooLarge when it never has room, DeadlineExceeded when the answer cannot be ready in time.
        """
        if self._closed:
            raise Unavailable(UNLOADED)
        self._refuse_overload(size, nbytes)
        self._count += 1
        rank = priority or DEFAULT_PRIORITY
        arrived = time.monotonic()
        call = CURRENT.get()
        span = call.span if call is not None else None
        waiting: Waiting[Item, Result] = Waiting(
            rank, deadline, self._count, item, size, nbytes, key, arrived, span, done
        )
        if deadline < math.inf:
            self._refuse_hopeless(waiting)
        queue = self._queue
        # Most come in the order of their deadlines.
        if queue and waiting < queue[-1]:
            insort(queue, waiting)
        else:
            queue.append(waiting)
        self._rows += size
        self._bytes += nbytes
        self._arrived.set()
        return waiting

    def give_up(self, waiting: Waiting[Item, Result]) -> None:
        """Nobody waits for it any more."""
        if waiting.over:
            return
        if waiting.running is not None:
            waiting.running.one_less()
        else:
            self._leave(waiting)
        waiting.fail(asyncio.CancelledError())

    def _leave(self, waiting: Waiting[Item, Result]) -> None:
        """Give up a place in the queue, if it is still held, for others to have."""
        at = bisect_left(self._queue, waiting)
        if at < len(self._queue) and self._queue[at] is waiting:
            del self._queue[at]
            self._forget(waiting)
            self._on_dropped("given_up")

    def _forget(self, waiting: Waiting[Item, Result]) -> None:
        self._rows -= waiting.size
        self._bytes -= waiting.nbytes

    def _refuse_overload(self, size: int, nbytes: int) -> None:
        most, most_bytes = self._limits.max_waiting, self._limits.max_waiting_bytes
        if size > most or nbytes > most_bytes:
            self._on_dropped("too_large")
            what, limit = (f"{size} rows", most) if size > most else (f"{nbytes} bytes", most_bytes)
            raise TooLarge(f"{what} at once, the most that may wait is {limit}")
        if self._rows + size > most or self._bytes + nbytes > most_bytes:
            self._on_dropped("queue_full")
            full = self._rows + size > most
            what = f"{self._rows} rows" if full else f"{self._bytes} bytes"
            raise Overloaded(f"{what} are waiting for this model, try again later")

    def _refuse_hopeless(self, waiting: Waiting[Item, Result]) -> None:
        """Do not queue what would be dropped later: its caller is better told now."""
        free = max(waiting.arrived, min(self._running_until))
        # The runners share what lies before it; the item itself is run by one of them.
        rows = self._rows_before(waiting) // len(self._runners) + waiting.size
        if free + self._cost.seconds(rows) > waiting.deadline:
            self._on_dropped("hopeless")
            raise DeadlineExceeded("too much waits for this model to answer before the deadline")

    def _rows_before(self, waiting: Waiting[Item, Result]) -> int:
        if not self._queue or waiting < self._queue[0]:
            return 0
        if self._queue[-1] < waiting:
            return self._rows
        return sum(other.size for other in self._queue if other < waiting)

    async def _work(self, runner: int) -> None:
        while True:
            await self._arrived.wait()
            batch = self._next_batch()
            try:
                if batch:
                    await self._answer(batch, runner)
            except asyncio.CancelledError:
                # Also those whose turn had not come yet when a failed batch was run in halves.
                for waiting in batch:
                    waiting.fail(Unavailable(UNLOADED))
                raise

    def _next_batch(self) -> list[Waiting[Item, Result]]:
        """Take the most urgent item that is still wanted, and those that may run with it."""
        batch: list[Waiting[Item, Result]] = []
        passed_over: list[Waiting[Item, Result]] = []
        rows = seen = 0
        now = time.monotonic()
        for waiting in self._queue:
            if batch and waiting.key != batch[0].key:
                seen += 1
                passed_over.append(waiting)
                continue
            if batch and rows + waiting.size > self._limits.max_batch:
                break
            seen += 1
            self._forget(waiting)
            # Nobody waits for what was given up or is late; do not spend the accelerator on it.
            if self._is_wanted(waiting, now):
                batch.append(waiting)
                rows += waiting.size
        self._queue[:seen] = passed_over
        if not self._queue:
            self._arrived.clear()
        if self._on_taken is not None:
            for waiting in batch:
                self._on_taken(now - waiting.arrived)
        return batch

    async def _answer(self, batch: Sequence[Waiting[Item, Result]], runner: int) -> None:
        rows = sum(waiting.size for waiting in batch)
        # In the worker's own context, where whoever runs the batch finds them.
        MEMBERS.set(members_of([(waiting.span, waiting.arrived) for waiting in batch]))
        started = time.monotonic()
        self._running_until[runner] = started + self._cost.seconds(rows)
        try:
            results = await self._run_while_wanted(batch, runner)
        except Exception as error:
            await self._find_the_guilty(batch, error, runner)
            return
        finally:
            # It may have ended sooner than was thought, above all when nobody waited any more.
            self._running_until[runner] = -math.inf
        self._cost.learn(rows, time.monotonic() - started)
        for waiting, result in zip(batch, results, strict=True):
            waiting.succeed(result)

    async def _run_while_wanted(
        self, batch: Sequence[Waiting[Item, Result]], runner: int
    ) -> Sequence[Result]:
        """Run a batch, and stop it when the last of its callers has hung up."""
        stop = Stop()
        running = Running(len(batch), stop)
        for waiting in batch:
            waiting.running = running
        try:
            results = await self._runners[runner]([waiting.item for waiting in batch], stop)
        except asyncio.CancelledError:
            stop.request()
            raise
        finally:
            for waiting in batch:
                waiting.running = None
        if len(results) != len(batch):
            raise RuntimeError(f"{len(batch)} items gave {len(results)} results")
        return results

    async def _find_the_guilty(
        self, batch: Sequence[Waiting[Item, Result]], error: Exception, runner: int
    ) -> None:
        """A run failed: blame its only member, or look in each half of it."""
        if len(batch) == 1:
            batch[0].fail(error)
            return
        middle = len(batch) // 2
        for half in (batch[:middle], batch[middle:]):
            now = time.monotonic()
            if wanted := [waiting for waiting in half if self._is_wanted(waiting, now)]:
                await self._answer(wanted, runner)

    def _is_wanted(self, waiting: Waiting[Item, Result], now: float) -> bool:
        if waiting.over:
            return False
        if waiting.deadline <= now:
            self._on_dropped("expired")
            waiting.fail(DeadlineExceeded("the deadline passed in the queue"))
            return False
        return True
