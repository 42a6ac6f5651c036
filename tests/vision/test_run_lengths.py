from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from vision.framing import Mask
from vision.run_lengths import mask_of, run_lengths


def mask(*rows: list[int]) -> Mask:
    return np.array(rows, np.uint8)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        # Down the columns from the left.
        ([[0, 1, 1], [0, 0, 1]], [2, 1, 1, 2]),
        ([[1, 0, 0], [1, 0, 0]], [0, 2, 4]),
        ([[1, 1], [1, 1]], [0, 4]),
        ([[0, 0], [0, 0]], [4]),
        ([[0, 2], [2, 1]], [3, 1]),
        ([[1]], [0, 1]),
    ],
)
def test_runs_are_counted_column_by_column(rows: list[list[int]], expected: list[int]) -> None:
    assert run_lengths(mask(*rows).T, 2)[0].tolist() == expected


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_run_lengths_give_the_mask_back(height: int, width: int, seed: int) -> None:
    found = np.random.default_rng(seed).integers(0, 4, (height, width)).astype(np.uint8)

    for one, counts in enumerate(run_lengths(np.ascontiguousarray(found.T), 4), start=1):
        assert int(counts.sum()) == found.size
        assert all(counts[1:] > 0)
        assert np.array_equal(mask_of(counts, height, width), found == one)
