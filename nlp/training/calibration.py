"""Temperature scaling (Guo et al. 2017): one divisor for all scores, so that 0.8 means 80 %."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]
LEAST = 1e-12
COLDEST, HOTTEST, STEPS = 0.5, 3.0, 301


def softmax(scores: Numbers) -> Numbers:
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    shares: Numbers = weights / weights.sum(axis=-1, keepdims=True)
    return shares


def best_temperature(scores: Numbers, allowed: Flags) -> float:
    """The temperature with the lowest log loss on rows that are new to the model.

    scores: float64 [rows, classes], before the softmax; allowed: bool of the same shape, the
    classes that may be true.
    """

    def log_loss(temperature: float) -> float:
        right = (softmax(scores / temperature) * allowed).sum(axis=1)
        return float(-np.log(np.maximum(right, LEAST)).mean())

    return min((float(one) for one in np.geomspace(COLDEST, HOTTEST, STEPS)), key=log_loss)


def warmed(probabilities: Numbers, temperature: float) -> Numbers:
    """The probabilities as they were before the scores were divided by `temperature`."""
    return softmax(np.log(np.maximum(probabilities, LEAST)) * temperature)
