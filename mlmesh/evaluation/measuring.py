"""Asks a service about every item of a set, a few batches at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from mlmesh.evaluation.evaluation import HeldOutSet
from mlmesh.evaluation.served import NotEvaluated, Served

CALLERS = 4
"""Calls under way at a time: enough to keep a service busy, few enough to leave room for others."""

Item = TypeVar("Item")
Answer = TypeVar("Answer")
Advance = Callable[[int], None]
"""Told of so many more answered items."""


def measure(held: HeldOutSet[Item, Answer], served: Served, advance: Advance) -> dict[str, float]:
    """The figures of the set. Raises NotEvaluated, or what the channel raises."""
    if not held.items:
        raise NotEvaluated(f"{held.name}: the set has no items, its files may be cut short")
    answers = _answers(held, served, advance)
    try:
        return dict(held.figures(held.items, answers))
    except ValueError as error:
        raise NotEvaluated(
            f"{held.name}: no figures follow from so few items ({len(held.items)}): {error}"
        ) from None


def _answers(held: HeldOutSet[Item, Answer], served: Served, advance: Advance) -> list[Answer]:
    starts = range(0, len(held.items), held.batch)
    batches = [held.items[start : start + held.batch] for start in starts]
    answers: list[Answer] = []
    with ThreadPoolExecutor(CALLERS) as callers:
        try:
            for batch, found in zip(
                batches, callers.map(lambda batch: held.ask(served, batch), batches), strict=True
            ):
                answers += _for_each(held.name, batch, found)
                advance(len(batch))
        finally:
            # The first failure ends it: nobody waits for batches that are not begun.
            callers.shutdown(cancel_futures=True)
    return answers


def _for_each(name: str, batch: Sequence[Item], found: Sequence[Answer]) -> Sequence[Answer]:
    if len(found) != len(batch):
        raise NotEvaluated(f"{name}: {len(found)} answers for {len(batch)} items")
    return found
