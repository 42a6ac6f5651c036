"""Whether 80 % means 80 %: claimed probabilities against what happened, in bins."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BINS = 10


def reliability(
    claimed: NDArray[np.float64], happened: NDArray[np.bool_]
) -> list[tuple[int, float, float]]:
    """Rows, mean claimed probability and observed frequency of every bin that is not empty.

    claimed: float64 [rows], 0 to 1; happened: bool [rows], whether what was claimed is true.
    """
    place = np.minimum((claimed * BINS).astype(int), BINS - 1)
    return [
        (int(inside.sum()), float(claimed[inside].mean()), float(happened[inside].mean()))
        for inside in (place == number for number in range(BINS))
        if inside.any()
    ]


def calibration_error(claimed: NDArray[np.float64], happened: NDArray[np.bool_]) -> float:
    """Expected calibration error in ten equal-width bins (Naeini et al. 2015); 0 for no rows.

    claimed: float64 [rows], how probable the answers said they are; happened: bool [rows], whether
    they are right.
    """
    bins = reliability(claimed, happened)
    gaps = sum(rows * abs(mean - frequency) for rows, mean, frequency in bins)
    return float(gaps / max(len(claimed), 1))
