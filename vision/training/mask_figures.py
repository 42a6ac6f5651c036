"""How good masks are: intersection over union, all pictures of a set together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mlmesh.evaluation.intervals import Indices, interval, named
from vision.training.scenes import UNKNOWN

Mask = NDArray[np.uint8]
Counts = NDArray[np.int64]
PET_KINDS = (2, 3)


def counts_of(truth: Mask, answer: Mask, kinds: int) -> Counts:
    """Pixels by true and answered class, int64 [kinds, kinds]; unknown ones do not count."""
    known = truth != UNKNOWN
    pairs = truth[known].astype(np.int64) * kinds + answer[known]
    return np.bincount(pairs, minlength=kinds * kinds).reshape(kinds, kinds)


def figures_of(name: str, counts: Counts, labels: Sequence[str]) -> dict[str, float]:
    """IoU of each class that occurs in the set.

    counts: int64 [pictures, kinds, kinds], see `counts_of`; labels: background first.
    """
    figures: dict[str, float] = {}
    whole = counts.sum(axis=0)
    for kind, label in enumerate(labels):
        if kind and whole[kind].any():
            figures |= _overlap_figures(f"{name}_{label}", counts, (kind,))
    if whole[list(PET_KINDS)].any():
        figures |= _overlap_figures(f"{name}_pet", counts, PET_KINDS)
    right = float(np.trace(whole) / whole.sum())
    return {**figures, f"{name}_pixel_accuracy": round(right, 4)}


def overlap(counts: Counts, kinds: tuple[int, ...]) -> float:
    """Intersection over union of pixels of these classes, whichever of them.

    counts: int64 [kinds, kinds]
    """
    chosen = list(kinds)
    shared = counts[np.ix_(chosen, chosen)].sum()
    joined = counts[chosen].sum() + counts[:, chosen].sum() - shared
    return float(shared / max(1, joined))


def _overlap_figures(name: str, counts: Counts, kinds: tuple[int, ...]) -> dict[str, float]:
    def value(rows: Indices) -> float:
        return overlap(counts[rows].sum(axis=0), kinds)

    bounds = interval(len(counts), value)
    return named(f"{name}_iou", overlap(counts.sum(axis=0), kinds), bounds)
