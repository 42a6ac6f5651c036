"""One run of a graph for several items, and what it gave each of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import NamedTuple

from mlmesh.inference.batch import Shaping
from mlmesh.inference.session import Array, Arrays, RunOptions, Session
from mlmesh.inference.statistics import Spent

LONG_WORK = 16_384
"""Texts that are looked at on the event loop; more of them keep it for milliseconds."""


class Answer(NamedTuple):
    """What the graph gave for an item."""

    outputs: Arrays
    """Every output, with as many rows as the item had."""
    seconds: float
    """How long the graph ran for the batch that the item was part of."""
    batching_ns: int = 0
    """Nanoseconds that it took to put that batch together and to take its results apart."""


def run_batch(
    session: Session, shaping: Shaping, items: Sequence[Arrays], options: RunOptions
) -> tuple[list[Answer], int, Spent]:
    """Run items as one batch: every item's rows of the answer, all rows, and what it took."""
    began = time.perf_counter_ns()
    joined = shaping.join(items)
    joined_at = time.perf_counter_ns()
    outputs = session.run(joined.inputs, options)
    computed_at = time.perf_counter_ns()
    parts = shaping.part(joined, outputs)
    parted_at = time.perf_counter_ns()
    seconds, batching = (computed_at - joined_at) / 1e9, parted_at - computed_at + joined_at - began
    answers = [Answer(part, seconds, batching) for part in parts]
    spent = Spent(joined_at - began, computed_at - joined_at, parted_at - computed_at)
    return answers, sum(joined.rows), spent


async def bytes_of(inputs: Arrays) -> int:
    """What arrays hold; of texts numpy counts the pointers only."""
    texts = [array for array in inputs.values() if array.dtype.hasobject]
    size = sum(array.nbytes for array in inputs.values())
    if sum(array.size for array in texts) > LONG_WORK:
        return size + await asyncio.to_thread(_length_of, texts)
    return size + _length_of(texts)


def _length_of(texts: Sequence[Array]) -> int:
    return sum(len(text) for array in texts for text in array.flat)


def parts_of(inputs: Arrays, rows: int, most: int) -> list[dict[str, Array]]:
    """Rows in parts of no more than `most`."""
    return [
        {name: array[start : start + most] for name, array in inputs.items()}
        for start in range(0, rows, most)
    ]
