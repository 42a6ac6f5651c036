"""How good probabilities are: accuracy with its uncertainty, ranking, log loss and calibration."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import log_loss, roc_auc_score

from mlmesh.evaluation import calibration
from predictor.training.rows import Indices, Probabilities

RESAMPLES = 2000


def metrics_of(probabilities: Probabilities, labels: Indices) -> dict[str, float]:
    """Accuracy, AUC (for more than two classes the mean of each against the rest), log loss and
    calibration error, rounded to six digits."""
    binary = probabilities.shape[1] == 2
    area = roc_auc_score(
        labels, probabilities[:, 1] if binary else probabilities, multi_class="ovr"
    )
    figures = {
        "accuracy": float(_hits(probabilities, labels).mean()),
        "auc": float(area),
        "log_loss": float(log_loss(labels, probabilities)),
        "calibration_error": calibration_error(probabilities, labels),
    }
    return {name: round(value, 6) for name, value in figures.items()}


def accuracy_interval(probabilities: Probabilities, labels: Indices, seed: int) -> dict[str, float]:
    """The 95 % percentile bootstrap interval of the accuracy over the rows."""
    hits = _hits(probabilities, labels)
    # A resample of n hits and misses with replacement is one binomial draw.
    draws = np.random.default_rng(seed).binomial(len(hits), hits.mean(), RESAMPLES) / len(hits)
    low, high = np.quantile(draws, [0.025, 0.975])
    return {"accuracy_low": round(float(low), 6), "accuracy_high": round(float(high), 6)}


def calibration_error(probabilities: Probabilities, labels: Indices) -> float:
    """Expected calibration error.

    Of the second class where there are two, else of the most probable one (Guo et al. 2017).
    """
    if probabilities.shape[1] == 2:
        claimed, happened = probabilities[:, 1], labels == 1
    else:
        claimed, happened = probabilities.max(axis=1), _hits(probabilities, labels)
    return calibration.calibration_error(claimed, happened)


def shares(answers: NDArray[np.float32]) -> Probabilities:
    """Probabilities float64 [rows, classes] that add up to one, from those of a graph."""
    probabilities = answers.astype(np.float64)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return probabilities


def _hits(probabilities: Probabilities, labels: Indices) -> NDArray[np.bool_]:
    hits: NDArray[np.bool_] = probabilities.argmax(axis=1) == labels
    return hits
