"""Callers that keep a model busy, and what they see."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from mlmesh.inference.session import Array, Arrays
from mlmesh.inference.version import LoadedVersion
from mlmesh.registry.manifest import Tensor

SHOWN_SIZES = 3


@dataclass(frozen=True, slots=True)
class Figures:
    """What one stretch of time gave."""

    per_second: float
    """Rows that were answered each second."""
    p50_ms: float
    p99_ms: float
    sizes: Mapping[int, int]
    """Number of runs, by the rows that ran together."""
    joining_ms: float = 0.0
    """What joining the items of a run and parting its answers took, on average."""


def looped(run: Callable[[], object], rows: int, seconds: float) -> Figures:
    """Call `run`, which computes so many rows, again and again: what there is to reach."""
    times = []
    began = now = time.perf_counter()
    while now - began < seconds:
        run()
        before, now = now, time.perf_counter()
        times.append(now - before)
    return _figures(times, rows * len(times), now - began, Counter({rows: len(times)}))


async def called(version: LoadedVersion, item: Arrays, callers: int, seconds: float) -> Figures:
    """Callers that each wait for their answer before they ask again."""
    times: list[float] = []
    runs_before, joining_before = _runs(version), _joining_ns(version)
    began = time.perf_counter()

    async def call() -> None:
        now = time.perf_counter()
        while now - began < seconds:
            await version.run(item, deadline=time.monotonic() + 60)
            started, now = now, time.perf_counter()
            times.append(now - started)

    await asyncio.gather(*(call() for _ in range(callers)))
    took = time.perf_counter() - began
    rows = version.shaping.rows_of(item)
    runs = _runs(version) - runs_before
    joining_ms = (_joining_ns(version) - joining_before) / 1e6 / runs.total()
    return _figures(times, rows * len(times), took, runs, joining_ms)


def merged(rounds: Sequence[Figures]) -> Figures:
    """The median of each figure, and the runs of all rounds."""
    sizes: Counter[int] = Counter()
    for one in rounds:
        sizes.update(one.sizes)
    return Figures(
        median(one.per_second for one in rounds),
        median(one.p50_ms for one in rounds),
        median(one.p99_ms for one in rounds),
        sizes,
        median(one.joining_ms for one in rounds),
    )


def shares(sizes: Mapping[int, int]) -> str:
    """How many of the runs had which size, the most frequent sizes only: "1:3% 8:90%"."""
    common = sorted(Counter(sizes).most_common(SHOWN_SIZES))
    total = sum(sizes.values())
    rest = total - sum(runs for _, runs in common)
    texts = [f"{rows}:{runs / total:.0%}" for rows, runs in common if runs / total >= 0.005]
    return " ".join(texts + ([f"others:{rest / total:.0%}"] if rest / total >= 0.005 else []))


def example(tensors: Sequence[Tensor], rows: int) -> dict[str, Array]:
    """Random inputs; integers are below 100."""
    random = np.random.default_rng(0)

    def values(tensor: Tensor) -> Array:
        shape = [rows, *(size or 1 for size in tensor.shape[1:])]
        if tensor.dtype == "int64":
            return random.integers(0, 100, shape)
        return random.standard_normal(shape).astype(tensor.dtype)

    return {tensor.name: values(tensor) for tensor in tensors}


def _runs(version: LoadedVersion) -> Counter[int]:
    batches = version.statistics.batches
    return Counter({rows: batch.compute_infer.count for rows, batch in batches.items()})


def _joining_ns(version: LoadedVersion) -> int:
    batches = version.statistics.batches.values()
    return sum(batch.compute_input.ns + batch.compute_output.ns for batch in batches)


def _figures(
    times: Sequence[float],
    rows: int,
    seconds: float,
    sizes: Mapping[int, int],
    joining_ms: float = 0.0,
) -> Figures:
    p50, p99 = (float(value) for value in 1000 * np.percentile(times, (50, 99)))
    return Figures(rows / seconds, p50, p99, sizes, joining_ms)
