"""How a model is judged: labelled items, how its service is asked about them, and what follows.

A program offers `evaluations` in its module `evaluation`, by the names of its models. They import
neither torch nor a model runtime: whatever they know of a model, its service has said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Generic, TypeVar

from mlmesh.evaluation.served import Served

Item = TypeVar("Item")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class HeldOutSet(Generic[Item, Answer]):
    """Labelled items that the model did not learn from."""

    name: str
    items: Sequence[Item]
    """May stand for what `ask` reads only then, such as files of images."""
    ask: Callable[[Served, Sequence[Item]], Sequence[Answer]]
    """One batched call; an answer for every item, in their order. Several run at once."""
    figures: Callable[[Sequence[Item], Sequence[Answer]], Mapping[str, float]]
    """Under the names that they have in the card."""
    batch: int = 64
    """Items of one call."""

    def part(self, limit: int) -> HeldOutSet[Item, Answer]:
        """At most `limit` of the items, evenly spread."""
        count = len(self.items)
        chosen = [self.items[place * count // limit] for place in range(min(limit, count))]
        items = chosen if limit < count else self.items
        return HeldOutSet(self.name, items, self.ask, self.figures, self.batch)


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a figure may lie from the card's, and why so far."""

    distance: float
    reason: str


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How one model is judged."""

    read: Callable[[Path], Sequence[HeldOutSet[Any, Any]]]
    """The sets below the folder of data. Raises OSError or ValueError for files that are missing or
    are not what they should be."""
    tolerances: Mapping[str, Tolerance]
    """By a pattern of names (`*_f1`); the first that fits counts. `*` comes last."""
    unasked: Mapping[str, str] = field(default_factory=dict)
    """Why some figures of the card cannot be had from a service, by a pattern of their names."""

    def tolerance(self, figure: str) -> Tolerance:
        return next(one for name, one in self.tolerances.items() if fnmatchcase(figure, name))

    def why_unasked(self, figure: str) -> str:
        """Empty for figures that the answers do tell."""
        fitting = (why for name, why in self.unasked.items() if fnmatchcase(figure, name))
        return next(fitting, "")
