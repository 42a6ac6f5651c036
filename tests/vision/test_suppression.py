from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from vision.framing import Boxes
from vision.suppression import (
    MOST_CANDIDATES,
    Scores,
    Thresholds,
    best_boxes,
    intersection_over_union,
    non_maximum_suppression,
)


def boxes(*corners: tuple[float, float, float, float]) -> Boxes:
    return np.array(corners, np.float32).reshape(-1, 4)


def scores(*values: float) -> Scores:
    return np.array(values, np.float32)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ((0, 0, 10, 10), 1.0),
        ((0, 0, 10, 5), 0.5),
        ((5, 5, 15, 15), 25 / 175),
        ((10, 0, 20, 10), 0.0),
        ((30, 30, 40, 40), 0.0),
        ((5, 5, 5, 5), 0.0),
        ((8, 8, 2, 2), 0.0),
    ],
)
def test_overlap_is_intersection_over_union(
    other: tuple[float, float, float, float], expected: float
) -> None:
    found = intersection_over_union(boxes((0, 0, 10, 10))[0], boxes(other))

    assert found.tolist() == pytest.approx([expected])


def test_boxes_without_area_overlap_nothing() -> None:
    assert intersection_over_union(boxes((1, 1, 1, 1))[0], boxes((1, 1, 1, 1))).tolist() == [0]


def test_the_best_box_of_a_group_is_kept_best_first() -> None:
    found = non_maximum_suppression(
        boxes((0, 0, 10, 10), (1, 0, 11, 10), (50, 50, 60, 60), (0, 1, 10, 11)),
        scores(0.6, 0.9, 0.7, 0.5),
        0.5,
    )

    assert found.tolist() == [1, 2]


def test_a_box_that_was_left_out_leaves_nothing_out_itself() -> None:
    row = boxes((0, 0, 10, 10), (4, 0, 14, 10), (8, 0, 18, 10))

    assert non_maximum_suppression(row, scores(0.9, 0.8, 0.7), 0.3).tolist() == [0, 2]


def test_no_boxes_give_no_boxes() -> None:
    assert non_maximum_suppression(boxes(), scores(), 0.5).tolist() == []
    found = best_boxes(boxes(), np.empty((0, 3), np.float32), Thresholds())
    assert (found.boxes.shape, found.scores.shape, found.classes.shape) == ((0, 4), (0,), (0,))


def test_no_more_boxes_are_kept_than_asked_for_whatever_was_left_out() -> None:
    # The second lies on the first.
    row = boxes((0, 0, 10, 10), (1, 0, 11, 10), (20, 0, 30, 10), (40, 0, 50, 10))

    found = non_maximum_suppression(row, scores(0.5, 0.4, 0.3, 0.2), 0.5, most=2)

    assert found.tolist() == [0, 2]


def test_only_so_many_of_the_best_are_looked_at() -> None:
    many = MOST_CANDIDATES + 5
    apart = boxes(*((20.0 * n, 0, 20 * n + 10, 10) for n in range(many)))

    found = non_maximum_suppression(apart, np.arange(many, dtype=np.float32), 0.5, most=many)

    assert found.tolist() == list(reversed(range(5, many)))


def plainly(boxes: Boxes, scores: Scores, iou: float) -> list[int]:
    """The same as it stands in a textbook."""
    left = sorted(range(len(boxes)), key=lambda one: -scores[one])
    kept: list[int] = []
    while left:
        best = left.pop(0)
        kept.append(best)
        left = [
            one
            for one in left
            if intersection_over_union(boxes[best], boxes[one : one + 1])[0] <= iou
        ]
    return kept


@settings(deadline=None)
@given(st.integers(0, 40), st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_it_is_greedy_suppression(count: int, seed: int, iou: float) -> None:
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 50, (count, 2))
    found = np.hstack([corners, corners + rng.uniform(0, 30, (count, 2))]).astype(np.float32)
    values = rng.permutation(count).astype(np.float32)

    assert non_maximum_suppression(found, values, iou).tolist() == plainly(found, values, iou)


def test_classes_do_not_suppress_each_other() -> None:
    same = boxes((0, 0, 10, 10), (0, 0, 10, 10))
    values = np.array([[0.9, 0.1], [0.2, 0.8]], np.float32)

    found = best_boxes(same, values, Thresholds(0.5, 0.5))

    assert found.classes.tolist() == [0, 1]
    assert found.scores.tolist() == pytest.approx([0.9, 0.8])


def test_a_box_may_be_named_for_two_classes() -> None:
    values = np.array([[0.9, 0.7]], np.float32)

    found = best_boxes(boxes((0, 0, 10, 10)), values, Thresholds(0.5, 0.5))

    assert found.classes.tolist() == [0, 1]


def test_of_all_classes_together_the_surest_are_named() -> None:
    apart = boxes(*((20.0 * n, 0, 20 * n + 10, 10) for n in range(4)))
    values = np.array([[0.6, 0], [0, 0.9], [0.8, 0], [0, 0.7]], np.float32)

    found = best_boxes(apart, values, Thresholds(0.5, 0.5, most=3))

    assert found.scores.tolist() == pytest.approx([0.9, 0.8, 0.7])
    assert found.boxes[:, 0].tolist() == [20, 40, 60]
    assert found.classes.tolist() == [1, 0, 1]
