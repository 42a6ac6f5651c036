"""95 % percentile intervals by the bootstrap: how far a figure could be off by chance alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
SEED = 0
Indices = NDArray[np.int64]


def interval(rows: int, figure: Callable[[Indices], float]) -> tuple[float, float]:
    """figure: of the rows with these positions, which may repeat."""
    random = np.random.default_rng(SEED)
    figures = [figure(random.integers(rows, size=rows)) for _ in range(RESAMPLES)]
    low, high = np.quantile(figures, [0.025, 0.975])
    return float(low), float(high)


def named(name: str, value: float, bounds: tuple[float, float]) -> dict[str, float]:
    """The figure and its interval as entries of a card."""
    low, high = bounds
    return {name: round(value, 4), f"{name}_low": round(low, 4), f"{name}_high": round(high, 4)}
