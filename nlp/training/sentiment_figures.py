"""How well sentiment is told: accuracy with its uncertainty, and calibration."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mlmesh.evaluation.calibration import calibration_error
from mlmesh.evaluation.intervals import Indices, interval, named
from nlp.training.calibration import Numbers, warmed
from nlp.training.treebank import LABELS, NEGATIVE, POSITIVE

TWO_CLASSES = frozenset({"sst2", "amazon_yelp"})
"""Sets in which the neutral class is no answer."""
Labels = NDArray[np.int64]


def figures_of(name: str, probabilities: Numbers, labels: Labels) -> dict[str, float]:
    """Accuracy with its interval; where there are three classes, macro recall and calibration, too.

    name: the set's; probabilities: float64 [texts, 3]; labels: int64 [texts], places in LABELS.
    """
    hits = _answers(name, probabilities) == labels

    def accuracy(rows: Indices) -> float:
        return float(hits[rows].mean())

    figures = named(f"{name}_accuracy", float(hits.mean()), interval(len(hits), accuracy))
    if name in TWO_CLASSES:
        return figures
    recalls = [hits[labels == one].mean() for one in range(len(LABELS)) if (labels == one).any()]
    return {
        **figures,
        f"{name}_macro_recall": round(float(np.mean(recalls)), 4),
        f"{name}_calibration_error": _error(probabilities, labels),
    }


def figures_before(
    name: str, probabilities: Numbers, labels: Labels, temperature: float
) -> dict[str, float]:
    """The calibration error of the scores as they were before they were divided."""
    if name in TWO_CLASSES:
        return {}
    before = warmed(probabilities, temperature)
    return {f"{name}_calibration_error_before": _error(before, labels)}


def _answers(name: str, probabilities: Numbers) -> Labels:
    places: Labels = probabilities.argmax(axis=1)
    if name in TWO_CLASSES:
        positive = probabilities[:, POSITIVE] > probabilities[:, NEGATIVE]
        places = np.where(positive, POSITIVE, NEGATIVE)
    return places


def _error(probabilities: Numbers, labels: Labels) -> float:
    happened = probabilities.argmax(axis=1) == labels
    return round(calibration_error(probabilities.max(axis=1), happened), 4)
