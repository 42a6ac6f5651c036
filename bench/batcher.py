"""What the batcher costs: `python bench/batcher.py`.

Callers in one process ask for one item at a time; the figures are items/s as a share of what ONNX
Runtime itself reaches in a plain loop with batches of that size and the same threads.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from graphs import Shape, cnn, encoder, mlp
from rich.console import Console
from rich.progress import track
from rich.table import Table

from mlmesh.inference.batcher import Batcher, Stop
from mlmesh.inference.host import Answer, run_batch
from mlmesh.inference.session import Arrays, Session, SessionOptions, stoppable

CALLERS = (1, 8, 32, 128)
MAX_BATCH = 32
SECONDS = 1.5
ROUNDS = 3
MODELS = {"tiny MLP": mlp, "CNN": cnn, "encoder": encoder}


@dataclass(frozen=True, slots=True)
class Figures:
    per_second: float
    p50_ms: float
    p99_ms: float
    batch: float


def ceiling(session: Session, shape: Shape, batch: int) -> Figures:
    """A plain loop over batches of one size."""
    inputs = {"x": np.zeros((batch, *shape), np.float32)}
    times = []
    began = time.perf_counter()
    while time.perf_counter() - began < SECONDS:
        started = time.perf_counter()
        session.run(inputs)
        times.append(time.perf_counter() - started)
    return _figures(times, len(times) * batch, time.perf_counter() - began, batch)


async def batched(session: Session, shape: Shape, callers: int) -> Figures:
    """Callers that each wait for their answer before they ask again."""
    item = {"x": np.zeros((1, *shape), np.float32)}
    times: list[float] = []
    sizes: Counter[int] = Counter()
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as thread:

        async def run(items: Sequence[Arrays], stop: Stop) -> Sequence[Answer]:
            sizes[len(items)] += 1
            return await loop.run_in_executor(thread, run_batch, session, items, stoppable())

        async with Batcher(run, max_batch=MAX_BATCH) as batcher:
            ends = time.perf_counter() + SECONDS

            async def call() -> None:
                while time.perf_counter() < ends:
                    started = time.perf_counter()
                    await batcher.submit(item, deadline=time.monotonic() + 60)
                    times.append(time.perf_counter() - started)

            began = time.perf_counter()
            await asyncio.gather(*(call() for _ in range(callers)))
            seconds = time.perf_counter() - began
    return _figures(times, len(times), seconds, len(times) / sizes.total())


def _figures(times: Sequence[float], items: int, seconds: float, batch: float) -> Figures:
    p50, p99 = (1000 * statistics.quantiles(times, n=100)[at] for at in (49, 98))
    return Figures(items / seconds, p50, p99, batch)


def main() -> None:
    table = Table(
        "model", "callers", "ceiling/s", "batcher/s", "share", "p50 ms", "p99 ms", "batch"
    )
    cases = [(name, callers) for name in MODELS for callers in CALLERS]
    for name, callers in track(cases, "running", console=Console(stderr=True)):
        graph, shape = MODELS[name]()
        session = Session(graph, SessionOptions())
        batch = min(callers, MAX_BATCH)
        # In turn, so that a noisy moment meets both.
        pairs = [
            (ceiling(session, shape, batch), asyncio.run(batched(session, shape, callers)))
            for _ in range(ROUNDS)
        ]
        best = sorted(pairs, key=lambda pair: pair[1].per_second / pair[0].per_second)
        plain, ours = best[len(best) // 2]
        table.add_row(
            name,
            str(callers),
            f"{plain.per_second:,.0f}",
            f"{ours.per_second:,.0f}",
            f"{ours.per_second / plain.per_second:.0%}",
            f"{ours.p50_ms:.2f}",
            f"{ours.p99_ms:.2f}",
            f"{ours.batch:.1f}",
        )
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
