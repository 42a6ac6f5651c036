"""The two shapes of `adult-income`: a logistic regression and a small network."""

# Without torch installed its classes are unknown to the type checker; training code still checks.
# mypy: allow-subclassing-any

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from predictor.training.encoding import Edges, PiecewiseLinear

CLASSES = 2


class LogisticRegression(nn.Module):
    """A score that is a sum over the features: a broken line of every number, a constant of
    every category."""

    def __init__(self, edges: Sequence[Edges], sizes: Sequence[int]) -> None:
        super().__init__()
        self.encoding = PiecewiseLinear(edges)
        self.last = nn.Linear(self.encoding.width, CLASSES)
        self.constants = nn.ModuleList(nn.Embedding(size, CLASSES) for size in sizes)

    def forward(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        scores: Tensor = self.last(self.encoding(numeric))
        for column, constants in enumerate(self.constants):
            scores = scores + constants(categorical[:, column])
        return scores


class Network(nn.Module):
    """Encoded numbers and embedded categories through two hidden layers.

    One table per category, not one for all: a position beyond its list fails instead of reading
    its neighbour's rows.
    """

    def __init__(
        self,
        edges: Sequence[Edges],
        sizes: Sequence[int],
        embedding: int = 8,
        hidden: Sequence[int] = (128, 64),
    ) -> None:
        super().__init__()
        self.encoding = PiecewiseLinear(edges)
        self.tables = nn.ModuleList(nn.Embedding(size, embedding) for size in sizes)
        widths = [self.encoding.width + embedding * len(sizes), *hidden]
        self.body = nn.Sequential()
        for wide, narrow in pairwise(widths):
            self.body.extend([nn.Linear(wide, narrow), nn.ReLU()])
        self.last = nn.Linear(widths[-1], CLASSES)

    def forward(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        embedded = [table(categorical[:, column]) for column, table in enumerate(self.tables)]
        scores: Tensor = self.last(self.body(torch.cat([self.encoding(numeric), *embedded], 1)))
        return scores
