"""From tag probabilities to entities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

OUTSIDE = "O"
BEGIN = "B-"
INSIDE = "I-"
_LEAST = 1e-12
_FORBIDDEN = -1e9


@dataclass(frozen=True, slots=True)
class Found:
    """An entity in words `first` to `last`, both included."""

    first: int
    last: int
    type: str
    confidence: float
    """0 to 1: how probable its least certain word is."""


class TagDecoder:
    """Finds the most probable tags in which every entity has a beginning (Viterbi)."""

    def __init__(self, tags: Sequence[str]) -> None:
        """tags: `O`, and `B-` and `I-` of every type, in the order of the probabilities."""
        self._tags = tuple(tags)
        self._follows = np.array([[_may_follow(a, b) for b in tags] for a in tags])
        self._starts = np.array([not tag.startswith(INSIDE) for tag in tags])

    def decode(self, probabilities: NDArray[np.floating[Any]]) -> list[Found]:
        """Entities in the order of the text; probabilities: floats [words, tags]."""
        if not len(probabilities):
            return []
        path = probabilities.argmax(axis=1)
        # Most often the best tag of every word is already the best path.
        if not (self._starts[path[0]] and self._follows[path[:-1], path[1:]].all()):
            path = self._best_path(probabilities)
        return self._entities(path, probabilities)

    def _best_path(self, probabilities: NDArray[np.floating[Any]]) -> NDArray[np.intp]:
        scores = np.log(np.maximum(probabilities.astype(np.float64), _LEAST))
        steps = np.where(self._follows, 0.0, _FORBIDDEN)
        best = scores[0] + np.where(self._starts, 0.0, _FORBIDDEN)
        came_from = np.zeros(scores.shape, np.intp)
        for word in range(1, len(scores)):
            reached = best[:, None] + steps
            came_from[word] = reached.argmax(axis=0)
            best = reached.max(axis=0) + scores[word]
        path = np.zeros(len(scores), np.intp)
        path[-1] = best.argmax()
        for word in range(len(scores) - 1, 0, -1):
            path[word - 1] = came_from[word, path[word]]
        return path

    def _entities(
        self, path: NDArray[np.intp], probabilities: NDArray[np.floating[Any]]
    ) -> list[Found]:
        certain = probabilities[np.arange(len(path)), path]
        found: list[Found] = []
        for word in np.flatnonzero([self._tags[tag] != OUTSIDE for tag in path]):
            tag, sure = self._tags[path[word]], float(certain[word])
            if tag.startswith(BEGIN):
                found.append(Found(int(word), int(word), tag[len(BEGIN) :], sure))
            else:
                begun = found.pop()
                found.append(Found(begun.first, int(word), begun.type, min(begun.confidence, sure)))
        return found


def _may_follow(before: str, after: str) -> bool:
    """An entity goes on only in its own type."""
    return not after.startswith(INSIDE) or before[len(BEGIN) :] == after[len(INSIDE) :] != ""
