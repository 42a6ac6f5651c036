"""Temperature scaling (Guo et al. 2017): one divisor for all scores, so that 0.8 means 80 %."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from predictor.training.rows import Indices, Probabilities


def softmax(scores: Probabilities) -> Probabilities:
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: Probabilities = weights / weights.sum(axis=1, keepdims=True)
    return shares


def best_temperature(scores: Probabilities, labels: Indices) -> float:
    """The temperature from 0.5 to 2 with the lowest log loss; the rows must be new to the model."""
    rows = np.arange(len(labels))

    def log_loss(temperature: float) -> float:
        right = softmax(scores / temperature)[rows, labels]
        return float(-np.log(np.maximum(right, 1e-12)).mean())

    return min((float(value) for value in np.geomspace(0.5, 2, 401)), key=log_loss)


def cool(last: nn.Linear, temperature: float) -> None:
    """Divide a model's scores by changing its last layer, so that serving pays nothing for it."""
    with torch.no_grad():
        last.weight.div_(temperature)
        last.bias.div_(temperature)
