"""Figures and their uncertainty."""

from __future__ import annotations

import numpy as np
import pytest

from nlp.training.calibration import best_temperature, softmax, warmed
from nlp.training.entity_figures import Claim, f1, figures_of
from nlp.training.entity_tests import Judged
from nlp.training.entity_texts import Sentence
from nlp.training.similarity_figures import spearman
from nlp.training.tags import tag_set


def test_the_temperature_of_scores_that_are_too_loud_is_found() -> None:
    random = np.random.default_rng(0)
    scores = random.normal(size=(20_000, 2))
    first = random.random(len(scores)) < softmax(scores)[:, 0]

    temperature = best_temperature(1.5 * scores, np.stack([first, ~first], axis=1))

    assert temperature == pytest.approx(1.5, abs=0.05)


def test_warming_undoes_cooling() -> None:
    scores = np.array([[2.0, -1.0, 0.5]])

    assert warmed(softmax(scores / 1.7), 1.7) == pytest.approx(softmax(scores))


def test_f1_of_counts() -> None:
    assert f1(np.array([[1, 2, 1], [1, 2, 3]])) == pytest.approx(2 * 2 / (4 + 4))
    assert f1(np.array([[0, 0, 0]])) == 0


def test_an_entity_counts_only_with_its_place_and_type() -> None:
    tags = (tag_set("B-PER"), tag_set("I-PER"), tag_set("O"), tag_set("B-LOC"))
    sentence = Sentence(("Anna", "Smith", "likes", "Rome"), tags)
    claims = [
        Claim((0, 4, "PER"), 0.9),
        Claim((17, 21, "LOC"), 0.8),
        Claim((11, 16, "MISC"), 0.9),
    ]

    figures = figures_of("set", Judged([sentence], ("PER", "LOC")), [claims])

    assert figures["set_f1"] == 0.5
    assert (figures["set_f1_per"], figures["set_f1_loc"]) == (0, 1)
    assert figures["set_calibration_error"] == pytest.approx((0.9 + 0.2) / 2)


def test_rank_correlation_knows_ties() -> None:
    assert spearman(np.array([1.0, 2, 3]), np.array([10.0, 20, 30])) == pytest.approx(1)
    assert spearman(np.array([1.0, 1, 2]), np.array([3.0, 3, 1])) == pytest.approx(-1)
