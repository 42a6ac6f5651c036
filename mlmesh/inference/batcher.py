"""Dynamic batching without a timer.

While one batch runs, new items queue up; the next batch takes whatever is there, up to `max_batch`.
An idle service therefore answers at once, and a busy one fills its batches.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Self, TypeVar

from mlmesh.runtime.errors import Overloaded

Item = TypeVar("Item")
Result = TypeVar("Result")
RunBatch = Callable[[Sequence[Item]], Awaitable[Sequence[Result]]]


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[Item, Result]):
    item: Item
    size: int
    result: asyncio.Future[Result]


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
        self._queue: deque[_Waiting[Item, Result]] = deque()
        self._rows = 0
        self._arrived = asyncio.Event()

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

    async def submit(self, item: Item, size: int = 1) -> Result:
        """Wait for the result of `item`, or raise Overloaded at once when the queue is full.

        size: how many rows the item holds. One with more than `max_batch` runs alone.
        """
        if self._rows + size > self._max_waiting:
            raise Overloaded(f"{self._rows} rows are waiting for this model, try again later")
        result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(item, size, result))
        self._rows += size
        self._arrived.set()
        return await result

    async def _work(self) -> None:
        while True:
            await self._arrived.wait()
            if batch := self._next_batch():
                await self._answer(batch)

    def _next_batch(self) -> list[_Waiting[Item, Result]]:
        batch: list[_Waiting[Item, Result]] = []
        rows = 0
        while self._queue and (not batch or rows + self._queue[0].size <= self._max_batch):
            waiting = self._queue.popleft()
            self._rows -= waiting.size
            # A caller that has hung up cancelled its future; do not spend the accelerator on it.
            if not waiting.result.done():
                batch.append(waiting)
                rows += waiting.size
        if not self._queue:
            self._arrived.clear()
        return batch

    async def _answer(self, batch: Sequence[_Waiting[Item, Result]]) -> None:
        try:
            results = await self._run([waiting.item for waiting in batch])
            if len(results) != len(batch):
                raise RuntimeError(f"{len(batch)} items gave {len(results)} results")
        except asyncio.CancelledError:
            for waiting in batch:
                waiting.result.cancel()
            raise
        except Exception as error:
            if len(batch) == 1:
                _settle(batch[0], error)
                return
            # One of them is to blame; alone, each gets its own answer or its own failure.
            for waiting in batch:
                if not waiting.result.done():
                    await self._answer([waiting])
            return
        for waiting, result in zip(batch, results, strict=True):
            if not waiting.result.done():  # else the caller hung up while the batch ran
                waiting.result.set_result(result)


def _settle(waiting: _Waiting[Item, Result], error: Exception) -> None:
    if not waiting.result.done():
        waiting.result.set_exception(error)
