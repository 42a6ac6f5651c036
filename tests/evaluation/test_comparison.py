"""Figures of a card beside measured ones."""

from __future__ import annotations

import math

import pytest

from mlmesh.evaluation.comparison import Comparison, Verdict, compare, holds
from mlmesh.evaluation.evaluation import Evaluation, Tolerance

EVALUATION = Evaluation(
    lambda data: [],
    {"*_error": Tolerance(0.01, "bins are coarse"), "*": Tolerance(0.001, "rounding")},
    {"*_before": "no answer tells"},
)


def compared(
    card: dict[str, float], measured: dict[str, float], *, whole: bool = True
) -> dict[str, Comparison]:
    return {one.figure: one for one in compare(card, measured, EVALUATION, whole=whole)}


@pytest.mark.parametrize(
    ("figure", "stated", "found", "verdict"),
    [
        ("accuracy", 0.9, 0.9, Verdict.HOLDS),
        ("accuracy", 0.9, 0.899, Verdict.HOLDS),
        ("accuracy", 0.9, 0.901, Verdict.HOLDS),
        ("accuracy", 0.9, 0.9011, Verdict.DIFFERS),
        ("accuracy", 0.9, 0.8989, Verdict.DIFFERS),
        ("accuracy", 0.9, math.nan, Verdict.DIFFERS),
        ("calibration_error", 0.05, 0.059, Verdict.HOLDS),
        ("calibration_error", 0.05, 0.061, Verdict.DIFFERS),
    ],
)
def test_a_figure_holds_within_its_tolerance_in_both_directions(
    figure: str, stated: float, found: float, verdict: Verdict
) -> None:
    assert compared({figure: stated}, {figure: found})[figure].verdict is verdict


def test_the_ends_of_an_interval_belong_to_their_figure() -> None:
    card = {"accuracy": 0.9, "accuracy_low": 0.88, "accuracy_high": 0.92}
    measured = {"accuracy": 0.9, "accuracy_low": 0.5, "accuracy_high": 0.6, "loss_low": 0.1}

    found = compared(card, measured)

    assert list(found) == ["accuracy", "loss_low"]
    assert found["accuracy"].bounds == (0.88, 0.92)
    assert found["accuracy"].difference == 0


def test_what_no_answer_tells_is_not_judged_and_says_why() -> None:
    found = compared({"error_before": 0.1, "speed": 3.0}, {})

    assert {one.verdict for one in found.values()} == {Verdict.UNASKED}
    assert found["error_before"].reason == "no answer tells"
    assert found["speed"].reason == "the evaluation knows no such figure"
    assert found["speed"].difference is None


def test_a_figure_that_the_card_lacks_is_shown_last() -> None:
    found = compared({"b": 0.5}, {"a": 0.5, "b": 0.5})

    assert [(one.figure, one.verdict) for one in found.values()] == [
        ("b", Verdict.HOLDS),
        ("a", Verdict.NEW),
    ]


def test_a_part_of_a_set_is_measured_and_not_judged() -> None:
    found = compared({"accuracy": 0.9}, {"accuracy": 0.2}, whole=False)

    assert found["accuracy"].verdict is Verdict.PART
    assert found["accuracy"].difference == pytest.approx(-0.7)


@pytest.mark.parametrize(
    ("verdicts", "well"),
    [
        ((Verdict.HOLDS, Verdict.UNASKED, Verdict.NEW), True),
        ((Verdict.HOLDS, Verdict.DIFFERS), False),
        ((Verdict.PART, Verdict.UNASKED), True),
        ((Verdict.UNASKED, Verdict.NEW), False),
        ((), False),
    ],
)
def test_a_card_holds_when_no_figure_differs_and_one_was_judged(
    verdicts: tuple[Verdict, ...], well: bool
) -> None:
    tolerance = EVALUATION.tolerance("accuracy")
    found = [Comparison("accuracy", 0.9, None, 0.9, tolerance, verdict) for verdict in verdicts]

    assert holds(found) is well
