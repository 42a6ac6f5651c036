"""Scores that mean something: 0.8 is right four times of five.

Temperature: Guo et al. 2017. Slope and offset of single scores: Platt 1999.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]
LEAST = 1e-12
COLDEST, HOTTEST, STEPS = 0.3, 3.0, 301
ROUNDS = 50
STEADY = 1e-3
"""Keeps the slope near 1 where few scores say little."""


def softmax(scores: Numbers) -> Numbers:
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    shares: Numbers = weights / weights.sum(axis=-1, keepdims=True)
    return shares


def best_temperature(scores: Numbers, classes: NDArray[np.int64]) -> float:
    """The divisor with the lowest log loss on rows that are new to the model.

    scores: float64 [rows, classes], before the softmax; classes: int64 [rows], the true ones.
    """
    rows = np.arange(len(classes))

    def log_loss(temperature: float) -> float:
        right = softmax(scores / temperature)[rows, classes]
        return float(-np.log(np.maximum(right, LEAST)).mean())

    return min((float(one) for one in np.geomspace(COLDEST, HOTTEST, STEPS)), key=log_loss)


def best_line(scores: Numbers, right: Flags) -> tuple[float, float]:
    """Slope and offset that turn scores before the sigmoid into log odds of being right.

    Logistic regression by Newton's method, with a small pull towards the slope 1 and offset 0,
    which is the answer when there are no scores.
    """
    if not len(scores):
        return 1.0, 0.0
    given = np.stack([scores, np.ones(len(scores))], axis=1)
    start = np.array([1.0, 0.0])
    line = start.copy()
    for _ in range(ROUNDS):
        shares = 1 / (1 + np.exp(-given @ line))
        slope = given.T @ (shares - right) / len(right) + STEADY * (line - start)
        weights = (shares * (1 - shares))[:, None]
        bend = given.T @ (given * weights) / len(right) + STEADY * np.eye(2)
        line = line - np.linalg.solve(bend, slope)
    return float(line[0]), float(line[1])


def log_odds(shares: Numbers) -> Numbers:
    kept = np.clip(shares, LEAST, 1 - LEAST)
    odds: Numbers = np.log(kept / (1 - kept))
    return odds
