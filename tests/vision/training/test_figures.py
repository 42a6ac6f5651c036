"""Figures of answers whose worth is known."""

from __future__ import annotations

import numpy as np
import pytest

from vision.training import classifier_figures, detection_figures, mask_figures
from vision.training.calibration import best_line, best_temperature, log_odds, softmax
from vision.training.detection_figures import Found, Judged, Truth, average_precision, judged

LABELS = ("person", "cat", "dog")


def truth(*boxes: tuple[float, float, float, float], kind: int = 0) -> Truth:
    return Truth(np.array(boxes, np.float32).reshape(-1, 4), np.full(len(boxes), kind, np.int64))


def found(*boxes: tuple[float, float, float, float, float], kind: int = 0) -> Found:
    """Boxes with their scores behind."""
    rows = np.array(boxes).reshape(-1, 5)
    kinds = np.full(len(rows), kind, np.int64)
    return Found(rows[:, :4].astype(np.float32), kinds, rows[:, 4])


def test_accuracy_is_the_share_of_right_answers_with_an_interval_around_it() -> None:
    shares = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]] * 50)
    kinds = np.array([0, 0, 1, 1] * 50)

    figures = classifier_figures.figures_of("set", shares, kinds)

    assert figures["set_accuracy"] == 0.75
    assert figures["set_accuracy_low"] < 0.75 < figures["set_accuracy_high"]
    # Each confidence is in a bin of its own: off by 0.1, 0.2, 0.3 and 0.6.
    assert figures["set_calibration_error"] == pytest.approx(0.3)


def test_recall_is_told_for_the_classes_that_occur() -> None:
    shares = np.array([[0.9, 0.1, 0], [0.2, 0.8, 0], [0.4, 0.6, 0]])

    recalls = classifier_figures.recalls_of("set", shares, np.array([0, 0, 1]), LABELS)

    assert recalls == {"set_recall_person": 0.5, "set_recall_cat": 1.0}


def test_a_true_box_counts_once_for_the_surest() -> None:
    one = judged(
        truth((0, 0, 10, 10)),
        found((0, 0, 10, 9, 0.4), (0, 0, 10, 10, 0.9), (50, 50, 60, 60, 0.7)),
        0,
    )

    assert one.scores.tolist() == [0.9, 0.7, 0.4]
    assert one.right.tolist() == [True, False, False]
    assert one.true == 1


def test_a_box_counts_from_an_overlap_of_one_half_on() -> None:
    half = judged(truth((0, 0, 10, 10)), found((0, 0, 10, 5, 0.9)), 0)
    less = judged(truth((0, 0, 10, 10)), found((0, 0, 10, 4.9, 0.9)), 0)

    assert half.right.tolist() == [True]
    assert less.right.tolist() == [False]


def test_boxes_of_another_class_are_no_hits() -> None:
    one = judged(truth((0, 0, 10, 10), kind=1), found((0, 0, 10, 10, 0.9), kind=2), 1)

    assert (one.true, one.right.tolist()) == (1, [])


def test_average_precision_is_the_area_below_the_curve() -> None:
    # Right, wrong, right of three true ones: precision 1 at recall 1/3, 2/3 at recall 2/3.
    pictures = [
        Judged(np.array([0.9, 0.5]), np.array([True, True]), 2),
        Judged(np.array([0.7]), np.array([False]), 1),
    ]

    assert average_precision(pictures) == pytest.approx((1 + 2 / 3) / 3)
    assert average_precision([Judged(np.array([]), np.array([], bool), 2)]) == 0
    assert average_precision([Judged(np.array([0.9]), np.array([False]), 0)]) == 0


def test_figures_of_a_detector_name_the_classes_that_occur() -> None:
    truths = [truth((0, 0, 10, 10)), truth((5, 5, 30, 30), kind=2)]
    founds = [found((0, 0, 10, 10, 0.9)), found((0, 0, 2, 2, 0.3), kind=2)]

    figures = detection_figures.figures_of("set", truths, founds, LABELS)

    assert figures["set_person_ap50"] == figures["set_person_sure_recall"] == 1
    assert figures["set_dog_ap50"] == figures["set_dog_sure_recall"] == 0
    assert not any("cat" in name for name in figures)


def test_pixels_are_counted_by_true_and_answered_class_without_the_unknown_ones() -> None:
    true = np.array([[0, 0, 1], [2, 2, 255]], np.uint8)
    answer = np.array([[0, 1, 1], [2, 3, 1]], np.uint8)

    counts = mask_figures.counts_of(true, answer, 4)

    assert counts.sum() == 5
    assert (counts[0, 0], counts[0, 1], counts[1, 1], counts[2, 2], counts[2, 3]) == (1,) * 5


def test_overlap_of_masks_is_intersection_over_union() -> None:
    counts = np.zeros((4, 4), np.int64)
    counts[2, 2], counts[2, 3], counts[0, 2] = 6, 2, 4

    assert mask_figures.overlap(counts, (2,)) == 6 / 12
    # Whichever pet it is: what was taken for the other kind counts.
    assert mask_figures.overlap(counts, (2, 3)) == 8 / 12


def test_figures_of_masks_are_of_all_pictures_together() -> None:
    counts = np.zeros((2, 4, 4), np.int64)
    counts[0, 1, 1], counts[1, 1, 0], counts[1, 0, 0] = 30, 10, 60

    figures = mask_figures.figures_of("set", counts, ("background", *LABELS))

    assert figures["set_person_iou"] == 0.75
    assert figures["set_pixel_accuracy"] == 0.9
    assert not any("cat" in name or "pet" in name for name in figures)


def test_the_temperature_of_scores_that_are_too_loud_is_found() -> None:
    random = np.random.default_rng(0)
    scores = random.normal(size=(20_000, 3))
    shares = softmax(scores).cumsum(axis=1)
    kinds = (random.random((len(scores), 1)) > shares).sum(axis=1).clip(max=2)

    assert best_temperature(1.5 * scores, kinds) == pytest.approx(1.5, abs=0.05)


def test_the_line_of_scores_that_are_too_quiet_is_found() -> None:
    random = np.random.default_rng(0)
    odds = random.normal(scale=2, size=50_000)
    right = random.random(len(odds)) < 1 / (1 + np.exp(-odds))

    slope, offset = best_line((odds - 1) / 2, right)

    assert slope == pytest.approx(2, abs=0.1)
    assert offset == pytest.approx(1, abs=0.1)


def test_without_scores_nothing_is_changed() -> None:
    assert best_line(np.array([]), np.array([], bool)) == (1, 0)


def test_log_odds_of_certainty_are_finite() -> None:
    assert np.isfinite(log_odds(np.array([0.0, 0.5, 1.0]))).all()
