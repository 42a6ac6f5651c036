"""How good a detector is: average precision at an overlap of one half (Everingham et al. 2010)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlmesh.evaluation.calibration import calibration_error
from mlmesh.evaluation.intervals import Indices, interval, named
from vision.suppression import Thresholds, intersection_over_union

OVERLAP = 0.5
"""IoU from which on a found box is the true one."""
THRESHOLDS = Thresholds(min_confidence=0.05, iou=0.5, most=100)
"""What the figures are computed with; precision needs the unsure boxes as well."""
SURE = 0.5
"""The confidence from which on the service names a thing, unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What one picture shows."""

    boxes: NDArray[np.float32]
    """float32 [things, 4], in pixels of the original."""
    classes: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Found:
    """What was found on it, surest first."""

    boxes: NDArray[np.float32]
    classes: NDArray[np.int64]
    scores: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Judged:
    """The boxes of one class on one picture."""

    scores: NDArray[np.float64]
    right: NDArray[np.bool_]
    true: int
    """How many there are."""


def judged(truth: Truth, found: Found, kind: int) -> Judged:
    """Which found boxes of a class are right: each true one counts once, for the surest."""
    boxes, chosen = truth.boxes[truth.classes == kind], found.classes == kind
    scores = found.scores[chosen]
    order = np.argsort(-scores, kind="stable")
    left = np.ones(len(boxes), bool)
    right = np.zeros(len(order), bool)
    for place, box in enumerate(found.boxes[chosen][order]):
        overlaps = np.where(left, intersection_over_union(box, boxes), 0)
        if len(overlaps) and overlaps.max() >= OVERLAP:
            left[overlaps.argmax()] = False
            right[place] = True
    return Judged(scores[order], right, len(boxes))


def average_precision(pictures: Sequence[Judged]) -> float:
    """The area below precision over recall, where precision never rises."""
    true = sum(one.true for one in pictures)
    if not true:
        return 0.0
    scores = np.concatenate([one.scores for one in pictures])
    right = np.concatenate([one.right for one in pictures])[np.argsort(-scores, kind="stable")]
    precision = right.cumsum() / np.arange(1, len(right) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(envelope[right].sum() / true)


def figures_of(
    name: str, truths: Sequence[Truth], founds: Sequence[Found], labels: Sequence[str]
) -> dict[str, float]:
    """Figures of one set, for each class that occurs in it; `_sure_`: of boxes that the service
    names by default."""
    figures: dict[str, float] = {}
    everything: list[Judged] = []
    for kind, label in enumerate(labels):
        pictures = [judged(*pair, kind) for pair in zip(truths, founds, strict=True)]
        true = sum(one.true for one in pictures)
        if not true:
            continue
        everything += pictures
        figures |= _precision_figures(f"{name}_{label}", pictures)
        sure = [one.right[one.scores >= SURE] for one in pictures]
        hits, named_boxes = sum(int(one.sum()) for one in sure), sum(map(len, sure))
        figures[f"{name}_{label}_sure_recall"] = round(hits / true, 4)
        figures[f"{name}_{label}_sure_precision"] = round(hits / max(1, named_boxes), 4)
    scores = np.concatenate([one.scores for one in everything])
    right = np.concatenate([one.right for one in everything])
    return {**figures, f"{name}_calibration_error": round(calibration_error(scores, right), 4)}


def _precision_figures(name: str, pictures: Sequence[Judged]) -> dict[str, float]:
    def value(rows: Indices) -> float:
        return average_precision([pictures[row] for row in rows])

    bounds = interval(len(pictures), value)
    return named(f"{name}_ap50", average_precision(pictures), bounds)
