"""Puts a temperature into the last layer of a network."""

from __future__ import annotations

import torch
from torch import nn


def cool(last: nn.Linear, temperature: float) -> None:
    """Divide a model's scores by changing its last layer, so that serving pays nothing for it."""
    with torch.no_grad():
        last.weight.div_(temperature)
        last.bias.div_(temperature)
