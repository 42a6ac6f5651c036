from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as arrays

from mlmesh.inference.open_inference.classification import best_classes

LABELS = ("ant", "bee", "cat")


def test_each_row_is_ranked_by_itself() -> None:
    scores = np.array([[0.25, 0.5, 0.25], [1, 2, 3]], np.float32)

    found = best_classes(scores, 2, LABELS, rows=True)

    assert found.tolist() == [
        ["0.500000:1:bee", "0.250000:0:ant"],
        ["3.000000:2:cat", "2.000000:1:bee"],
    ]


def test_without_rows_all_are_ranked_together_and_classes_without_a_name_have_none() -> None:
    found = best_classes(np.array([[1, 4], [3, 2]], np.int64), 9, ("ant",), rows=False)

    assert found.tolist() == ["4:1", "3:2", "2:3", "1:0:ant"]


def test_nan_comes_last() -> None:
    found = best_classes(np.array([np.nan, -np.inf, 1]), 3, (), rows=False)

    assert found.tolist() == ["1.000000:2", "nan:0", "-inf:1"]


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint64", "int64", "float16", "float64"])
@given(data=st.data())
def test_the_order_is_that_of_a_stable_sort(dtype: str, data: st.DataObject) -> None:
    scores = data.draw(
        arrays.arrays(
            dtype,
            st.integers(1, 12),
            elements=arrays.from_dtype(np.dtype(dtype), allow_nan=False),
        )
    )

    found = best_classes(scores, len(scores), (), rows=False)

    indices = [int(text.split(":")[1]) for text in found]
    assert indices == sorted(range(len(scores)), key=lambda index: -scores[index].item())
