"""Many boxes around one thing to the best of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vision.framing import Boxes

MOST_CANDIDATES = 1000
"""Boxes of one class that are compared; with a low threshold a model gives thousands."""

Scores = NDArray[np.float32]
Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What of a model's boxes is named."""

    min_confidence: float = 0.5
    """Least score, 0 to 1."""
    iou: float = 0.5
    """Largest overlap of two boxes of one class, intersection over union, 0 to 1."""
    most: int = 100
    """Boxes in all."""


@dataclass(frozen=True, slots=True)
class Things:
    """Boxes that were kept, surest first."""

    boxes: Boxes
    """float32 [n, 4]"""
    scores: Scores
    """float32 [n]"""
    classes: Indices
    """intp [n], which column of the scores each box was kept for"""


def best_boxes(boxes: Boxes, scores: Scores, thresholds: Thresholds) -> Things:
    """Of a model's boxes those that count, suppressed class by class.

    boxes: float32 [k, 4], corners x0 y0 x1 y1. scores: float32 [k, classes], 0 to 1.
    """
    kept: list[tuple[Indices, Indices]] = []
    for one in range(scores.shape[1]):
        column = scores[:, one]
        candidates = np.flatnonzero(column >= thresholds.min_confidence)
        best = non_maximum_suppression(
            boxes[candidates], column[candidates], thresholds.iou, thresholds.most
        )
        kept.append((candidates[best], np.full(len(best), one, np.intp)))
    rows = np.concatenate([rows for rows, _ in kept])
    classes = np.concatenate([classes for _, classes in kept])
    found = scores[rows, classes]
    order = np.argsort(-found, kind="stable")[: thresholds.most]
    return Things(boxes[rows[order]], found[order], classes[order])


def non_maximum_suppression(
    boxes: Boxes, scores: Scores, iou: float, most: int = MOST_CANDIDATES
) -> Indices:
    """Keep the best box of every overlapping group, best first.

    boxes: float32 [n, 4], corners x0 y0 x1 y1 in pixels. scores: float32 [n]. iou: boxes that
    overlap a better one by more than this are left out. most: boxes that are kept, of the
    MOST_CANDIDATES best that are looked at. Greedy, as in Felzenszwalb et al. 2010.
    """
    order = np.argsort(-scores, kind="stable")[:MOST_CANDIDATES]
    left = np.ones(len(order), np.bool_)
    ordered = boxes[order]
    kept: list[int] = []
    for at in range(len(order)):
        if len(kept) == most:
            break
        if left[at]:
            kept.append(at)
            left[at + 1 :] &= intersection_over_union(ordered[at], ordered[at + 1 :]) <= iou
    return order[kept]


def intersection_over_union(box: NDArray[np.float32], others: Boxes) -> Scores:
    """float32 [n]: how much one box, float32 [4], overlaps each other; 0 for boxes without area."""
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:], others[:, 2:])
    common = np.prod(np.clip(high - low, 0, None), axis=1)
    union = _area(box) + _area(others) - common
    return np.asarray(np.divide(common, union, out=np.zeros_like(common), where=union > 0))


def _area(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    sides = np.clip(boxes[..., 2:] - boxes[..., :2], 0, None)
    return np.asarray(sides[..., 0] * sides[..., 1])
