"""Made-up rows: real ones with some values taken from other real ones.

A small network learns a teacher better from many rows than from few (Bucila et al. 2006), and rows
with swapped values are what an explanation asks a model about.
"""

from __future__ import annotations

import numpy as np

from predictor.training.rows import Inputs


def swapped(inputs: Inputs, count: int, share: float, seed: int) -> Inputs:
    """`count` rows; each value comes with probability `share` from another row."""
    random = np.random.default_rng(seed)
    rows = len(next(iter(inputs.values())))
    own = random.integers(rows, size=count)
    other = random.integers(rows, size=count)
    return {
        name: np.where(random.random((count, values.shape[1])) < share, values[other], values[own])
        for name, values in inputs.items()
    }
