"""Labelled rows: what a recipe learns from and is judged by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

Inputs = dict[str, NDArray[Any]]
"""Arrays by the name of the graph's input, in its order; the first axis counts rows."""
Indices = NDArray[np.int64]
Probabilities = NDArray[np.float64]
"""float64 [rows, classes]; every row sums to one."""


@dataclass(frozen=True, slots=True)
class Rows:
    inputs: Inputs
    labels: Indices
    """Position of the true class."""

    def __len__(self) -> int:
        return len(self.labels)

    def part(self, chosen: Indices) -> Rows:
        return Rows(take(self.inputs, chosen), self.labels[chosen])


def take(inputs: Inputs, chosen: Indices) -> Inputs:
    return {name: values[chosen] for name, values in inputs.items()}


def split(rows: Rows, share: float, seed: int) -> tuple[Rows, Rows]:
    """The rows without, and the rows with, a random `share` of every class."""
    kept, held_out = train_test_split(
        np.arange(len(rows)), test_size=share, stratify=rows.labels, random_state=seed
    )
    return rows.part(kept), rows.part(held_out)


def shortest(value: np.floating[Any] | np.integer[Any]) -> float:
    """The number with the fewest digits that is the same as float32: 39.1, not 39.09999847."""
    return float(str(np.float32(value)))
