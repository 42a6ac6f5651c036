"""Dynamic batching without a timer.

While one batch runs, new items queue up; the next batch takes whatever is there, up to `max_batch`
rows, most urgent first. An idle service therefore answers at once, a busy one fills its batches.
Members of a batch never harm each other: when a run fails, its halves are run alone, and so on,
until only those to blame fail.
"""

from __future__ import annotations

import asyncio
import math
import time
from bisect import bisect_left, insort
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Generic, Self, TypeVar

from mlmesh.inference.cost import CostLine
from mlmesh.runtime.errors import DeadlineExceeded, Overloaded, TooLarge, Unavailable

DEFAULT_PRIORITY = 100
"""Rank of items without a priority of their own; smaller ones go first."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class Stop:
    """Tells a run that nobody waits for it any more."""

    def __init__(self) -> None:
        self.requested = False
        self._act: Callable[[], None] | None = None

    def on_request(self, act: Callable[[], None]) -> None:
        """Call `act` when nobody waits any more, at once if that is so already."""
        self._act = act
        if self.requested:
            act()

    def request(self) -> None:
        self.requested = True
        if self._act is not None:
            self._act()


RunBatch = Callable[[Sequence[Item], Stop], Awaitable[Sequence[Result]]]


@dataclass(frozen=True, slots=True, order=True)
class _Waiting(Generic[Item, Result]):
    """Ordered by urgency: priority, then deadline, then arrival."""

    priority: int
    deadline: float
    number: int
    item: Item = field(compare=False)
    size: int = field(compare=False)
    result: asyncio.Future[Result] = field(compare=False)


class Batcher(Generic[Item, Result]):
    """Runs items together.

    run: takes items, gives one result for each, in order. max_batch: the most rows that one run
    takes; an item with more runs alone. max_waiting: the most rows that may wait; the next ones are
    refused at once.
    """

    def __init__(
        self, run: RunBatch[Item, Result], *, max_batch: int = 32, max_waiting: int = 4096
    ) -> None:
        self._run = run
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._queue: list[_Waiting[Item, Result]] = []
        self._rows = 0
        self._count = 0
        self._arrived = asyncio.Event()
        self._cost = CostLine()
        self._running_until = -math.inf

    async def __aenter__(self) -> Self:
        self._worker = asyncio.create_task(self._work())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._worker.cancel()
        await asyncio.wait([self._worker])
        for waiting in self._queue:
            waiting.result.cancel()

    async def submit(
        self,
        item: Item,
        size: int = 1,
        *,
        deadline: float = math.inf,
        priority: int = 0,
    ) -> Result:
        """Wait for the result of `item`.

        size: how many rows the item holds. deadline: in seconds of time.monotonic(). priority: 1
        is served first, larger numbers later; 0 is DEFAULT_PRIORITY. Raises at once: Overloaded
        when the queue is full, DeadlineExceeded when the answer cannot be ready in time.
        """
        if self._worker.done():
            raise Unavailable("the model is being unloaded")
        if size > self._max_waiting:
            raise TooLarge(f"{size} rows at once, the most that may wait is {self._max_waiting}")
        if self._rows + size > self._max_waiting:
            raise Overloaded(f"{self._rows} rows are waiting for this model, try again later")
        result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._count += 1
        rank = priority or DEFAULT_PRIORITY
        waiting = _Waiting(rank, deadline, self._count, item, size, result)
        if deadline < math.inf:
            self._refuse_hopeless(waiting)
        insort(self._queue, waiting)
        self._rows += size
        self._arrived.set()
        try:
            return await result
        except asyncio.CancelledError:
            self._leave(waiting)
            raise

    def _leave(self, waiting: _Waiting[Item, Result]) -> None:
        """Give up a place in the queue, if it is still held, for others to have."""
        at = bisect_left(self._queue, waiting)
        if at < len(self._queue) and self._queue[at] is waiting:
            del self._queue[at]
            self._rows -= waiting.size

    def _refuse_hopeless(self, waiting: _Waiting[Item, Result]) -> None:
        """Do not queue what would be dropped later: its caller is better told now."""
        free = max(time.monotonic(), self._running_until)
        rows = self._rows_before(waiting) + waiting.size
        if free + self._cost.seconds(rows) > waiting.deadline:
            raise DeadlineExceeded("too much waits for this model to answer before the deadline")

    def _rows_before(self, waiting: _Waiting[Item, Result]) -> int:
        if not self._queue or waiting < self._queue[0]:
            return 0
        if self._queue[-1] < waiting:
            return self._rows
        return sum(other.size for other in self._queue if other < waiting)

    async def _work(self) -> None:
        while True:
            await self._arrived.wait()
            if batch := self._next_batch():
                await self._answer(batch)

    def _next_batch(self) -> list[_Waiting[Item, Result]]:
        batch: list[_Waiting[Item, Result]] = []
        rows = taken = 0
        now = time.monotonic()
        for waiting in self._queue:
            if batch and rows + waiting.size > self._max_batch:
                break
            taken += 1
            self._rows -= waiting.size
            # Nobody waits for what was given up or is late; do not spend the accelerator on it.
            if _is_wanted(waiting, now):
                batch.append(waiting)
                rows += waiting.size
        del self._queue[:taken]
        if not self._queue:
            self._arrived.clear()
        return batch

    async def _answer(self, batch: Sequence[_Waiting[Item, Result]]) -> None:
        rows = sum(waiting.size for waiting in batch)
        started = time.monotonic()
        self._running_until = started + self._cost.seconds(rows)
        try:
            results = await self._run_while_wanted(batch)
        except asyncio.CancelledError:
            for waiting in batch:
                waiting.result.cancel()
            raise
        except Exception as error:
            await self._find_the_guilty(batch, error)
            return
        self._cost.learn(rows, time.monotonic() - started)
        for waiting, result in zip(batch, results, strict=True):
            if not waiting.result.done():  # else the caller hung up while the batch ran
                waiting.result.set_result(result)

    async def _run_while_wanted(self, batch: Sequence[_Waiting[Item, Result]]) -> Sequence[Result]:
        """Run a batch, and stop it when the last of its callers has hung up."""
        stop = Stop()
        left = len(batch)

        def one_less(_: asyncio.Future[Result]) -> None:
            nonlocal left
            left -= 1
            if not left:
                stop.request()

        for waiting in batch:
            waiting.result.add_done_callback(one_less)
        try:
            results = await self._run([waiting.item for waiting in batch], stop)
        except asyncio.CancelledError:
            stop.request()
            raise
        finally:
            for waiting in batch:
                waiting.result.remove_done_callback(one_less)
        if len(results) != len(batch):
            raise RuntimeError(f"{len(batch)} items gave {len(results)} results")
        return results

    async def _find_the_guilty(
        self, batch: Sequence[_Waiting[Item, Result]], error: Exception
    ) -> None:
        """A run failed: blame its only member, or look in each half of it."""
        if len(batch) == 1:
            if not batch[0].result.done():
                batch[0].result.set_exception(error)
            return
        middle = len(batch) // 2
        for half in (batch[:middle], batch[middle:]):
            now = time.monotonic()
            if wanted := [waiting for waiting in half if _is_wanted(waiting, now)]:
                await self._answer(wanted)


def _is_wanted(waiting: _Waiting[Item, Result], now: float) -> bool:
    if waiting.result.done():
        return False
    if waiting.deadline <= now:
        waiting.result.set_exception(DeadlineExceeded("the deadline passed in the queue"))
        return False
    return True
