"""How good a classifier is: figures of its probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mlmesh.evaluation.calibration import calibration_error
from mlmesh.evaluation.intervals import Indices, interval, named

Probabilities = NDArray[np.float64]
Classes = NDArray[np.int64]


def figures_of(name: str, probabilities: Probabilities, classes: Classes) -> dict[str, float]:
    """Share of right answers, and how far confidences are from it.

    probabilities: float64 [rows, 10]; classes: int64 [rows], the true ones.
    """
    answers = probabilities.argmax(axis=1)
    right = answers == classes

    def accuracy(rows: Indices) -> float:
        return float(right[rows].mean())

    figures = named(f"{name}_accuracy", float(right.mean()), interval(len(right), accuracy))
    error = calibration_error(probabilities.max(axis=1), right)
    return {**figures, f"{name}_calibration_error": round(error, 4)}


def recalls_of(
    name: str, probabilities: Probabilities, classes: Classes, labels: tuple[str, ...]
) -> dict[str, float]:
    """Of the pictures of each class that occurs, the share that is recognised."""
    right = probabilities.argmax(axis=1) == classes
    return {
        f"{name}_recall_{label}": round(float(right[classes == place].mean()), 4)
        for place, label in enumerate(labels)
        if (classes == place).any()
    }
