"""Numbers as lengths of coloured bars: the piecewise linear encoding of Gorishniy et al. 2022.

A column is cut into bins, and each bin becomes one value: 0 below the bin, 1 above it, and the
fraction that is reached within it. A linear layer behind it draws any continuous broken line.
"""

# Without torch installed its classes are unknown to the type checker; training code still checks.
# mypy: allow-subclassing-any

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Edges = NDArray[np.float64]
"""Ends of the bins of one column, ascending; n + 1 values for n bins."""


class PiecewiseLinear(nn.Module):
    """Encode float32 [rows, columns] as float32 [rows, bins of all columns], each in 0..1.

    Only subtraction, multiplication and a clamp: unlike a logarithm they round the same way in
    vectorised and in scalar code, so a row's encoding does not depend on the rows beside it.
    """

    column: Tensor
    low: Tensor
    scale: Tensor

    def __init__(self, edges: Sequence[Edges]) -> None:
        super().__init__()
        columns = np.repeat(np.arange(len(edges)), [len(ends) - 1 for ends in edges])
        low = np.concatenate([ends[:-1] for ends in edges])
        scale = np.concatenate([1 / np.diff(ends) for ends in edges])
        self.register_buffer("column", torch.tensor(columns))
        self.register_buffer("low", torch.tensor(low, dtype=torch.float32))
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float32))

    @property
    def width(self) -> int:
        return len(self.low)

    def forward(self, values: Tensor) -> Tensor:
        picked = values.index_select(1, self.column)
        return ((picked - self.low) * self.scale).clamp(0, 1)


def bins_per_value(values: NDArray[Any]) -> list[Edges]:
    """One bin around every distinct value of each column, with edges halfway to its neighbours."""
    return [_edges_between(np.unique(column)) for column in values.T]


def bins_by_quantile(values: NDArray[Any], count: int) -> list[Edges]:
    """At most `count` bins a column, each with the same number of distinct values."""
    steps = np.linspace(0, 1, count + 1)
    return [np.unique(np.quantile(np.unique(column), steps)) for column in values.T]


def _edges_between(distinct: NDArray[Any]) -> Edges:
    middles = (distinct[1:] + distinct[:-1]) / 2
    return np.unique(np.concatenate([distinct[:1], middles, distinct[-1:]])).astype(np.float64)
