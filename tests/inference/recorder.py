"""A runner that a test can watch and hold back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from mlmesh.inference.batcher import Batcher
from mlmesh.inference.stop import Stop


class Recorder:
    """Doubles numbers behind a gate, and remembers the batches that it was given."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.began = asyncio.Event()
        self.gate = asyncio.Event()

    async def __call__(self, items: Sequence[int], stop: Stop) -> list[int]:
        self.batches.append(list(items))
        self.began.set()
        await self.gate.wait()
        if any(item < 0 for item in items):
            raise ValueError(f"bad item among {len(items)}")
        return [item * 2 for item in items]


async def queued(batcher: Batcher[int, int], *items: int) -> list[asyncio.Task[int]]:
    tasks = [asyncio.create_task(batcher.submit(item)) for item in items]
    await asyncio.sleep(0)
    return tasks
