"""Numbers of rows in the dtypes that graphs take."""

from __future__ import annotations

import numpy as np
import pytest
from google.protobuf.struct_pb2 import Value

from mlmesh.registry.manifest import Dtype, Feature, Manifest, Tensor
from mlmesh.runtime.errors import InvalidInput
from predictor.rows import RowReader


def reader(*dtypes: Dtype) -> RowReader:
    """One feature for each input: x0, x1, ..."""
    names = [f"x{number}" for number in range(len(dtypes))]
    return RowReader(
        Manifest.model_construct(
            features=tuple(
                Feature(name=name, kind="numeric", input=name, column=0, baseline=0)
                for name in names
            ),
            inputs=tuple(
                Tensor(name=name, dtype=dtype, shape=(None, 1))
                for name, dtype in zip(names, dtypes, strict=True)
            ),
        )
    )


FITS: list[tuple[Dtype, float]] = [
    ("int8", -128),
    ("int8", 127),
    ("uint8", 255),
    ("int32", 2**31 - 1),
    ("int64", -(2**63)),
    ("int64", 2**63 - 1024),
    ("uint64", 2**64 - 2048),
    ("float16", 65504),
    ("float32", float(np.finfo(np.float32).max)),
    ("float64", 0.1),
    ("bool", 1),
]
TOO_MUCH: list[tuple[Dtype, float]] = [
    ("int8", 128),
    ("int8", -129),
    ("uint8", -1),
    ("uint8", 300),
    ("int32", 2**31),
    ("int64", 2**63),
    ("int64", 1e30),
    ("uint64", 2**64),
    ("float16", 70_000),
    ("float32", 3.5e38),
    ("float64", 3.5e38),
    ("int64", float("nan")),
]


@pytest.mark.parametrize(("dtype", "value"), FITS)
@pytest.mark.parametrize("inputs", [1, 2])
def test_what_an_input_can_hold_reaches_it_as_it_is(
    dtype: Dtype, value: float, inputs: int
) -> None:
    rows = reader(*[dtype] * inputs)

    row, warnings = rows.read([value] * inputs, {})

    assert not warnings
    for array in rows.arrays([row, row]).values():
        assert (array.dtype, array.shape) == (np.dtype(dtype), (2, 1))
        assert array[0, 0] == array[1, 0] == np.dtype(dtype).type(value)


@pytest.mark.parametrize(("dtype", "value"), TOO_MUCH)
@pytest.mark.parametrize("inputs", [1, 2])
def test_what_an_input_cannot_hold_is_refused(dtype: Dtype, value: float, inputs: int) -> None:
    rows = reader(*[dtype] * inputs)

    with pytest.raises(InvalidInput, match="must be a"):
        rows.read([value] * inputs, {})
    named = {f"x{number}": Value(number_value=value) for number in range(inputs)}
    with pytest.raises(InvalidInput, match="must be a"):
        rows.read([], named)
