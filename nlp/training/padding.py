"""Rows of different lengths as one array."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

PAD = 0
"""The id of the tokenizer's padding, which no text contains."""


def padded(rows: Sequence[Sequence[int]], value: int = PAD) -> NDArray[np.int64]:
    """int64 [rows, longest]; shorter rows end in `value`."""
    array = np.full((len(rows), max(map(len, rows))), value, np.int64)
    for place, row in enumerate(rows):
        array[place, : len(row)] = row
    return array
