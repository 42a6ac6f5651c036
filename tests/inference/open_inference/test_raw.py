from __future__ import annotations

import struct
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from mlmesh.inference.open_inference.datatypes import DATATYPES
from mlmesh.inference.open_inference.raw import read_raw, write_raw
from mlmesh.runtime.errors import InvalidInput

NUMBERS = [one for one in DATATYPES.values() if not one.is_text]
SHAPES = arrays.array_shapes(min_dims=0, max_dims=4, min_side=0)
BYTES = DATATYPES["string"]


def texts(*elements: str | bytes) -> bytes:
    contents = [one.encode() if isinstance(one, str) else one for one in elements]
    return b"".join(struct.pack("<I", len(one)) + one for one in contents)


@pytest.mark.parametrize("datatype", NUMBERS, ids=lambda one: one.name)
@given(data=st.data())
def test_numbers_come_back_bit_by_bit(datatype: Any, data: st.DataObject) -> None:
    array = data.draw(arrays.arrays(datatype.dtype, SHAPES))

    content = write_raw(array, datatype)
    found = read_raw(content, datatype, array.shape, "x")

    assert (found.dtype, found.shape) == (datatype.dtype, array.shape)
    assert found.tobytes() == array.tobytes() == content


@given(arrays.arrays(object, SHAPES, elements=st.text(max_size=20), fill=st.nothing()))
def test_texts_come_back(array: NDArray[Any]) -> None:
    found = read_raw(write_raw(array, BYTES), BYTES, array.shape, "x")

    assert found.shape == array.shape
    assert found.tolist() == array.tolist()


def test_numbers_are_not_copied() -> None:
    content = np.arange(4, dtype=np.float32).tobytes()

    found = read_raw(content, DATATYPES["float32"], (2, 2), "x")

    assert not found.flags.owndata
    assert not found.flags.writeable


def test_what_lies_otherwise_in_memory_is_written_row_by_row() -> None:
    array = np.arange(6, dtype=np.int32).reshape(2, 3)

    assert write_raw(array.T, DATATYPES["int32"]) == array.T.tobytes()
    assert write_raw(array.astype(">i4"), DATATYPES["int32"]) == array.tobytes()


LIES = [
    ("float32", [2], b"\0" * 7, "x: expected 8 bytes for FP32 [2], got 7"),
    ("float32", [2], b"\0" * 9, "x: expected 8 bytes for FP32 [2], got 9"),
    ("float32", [2**62, 2**62], b"", f"x: expected {2**126} bytes for FP32"),
    ("bool", [2], b"\1\2", "x: a BOOL is a byte of 0 or 1"),
    ("string", [2], texts("abcd"), "x: ends before the length of element 1"),
    ("string", [1], texts("a", "b"), "x: 5 bytes are left after the 1 elements of [1]"),
    ("string", [1], b"\xff\xff\xff\xff", "x: element 0 says it has 4294967295 bytes, 0 are left"),
    ("string", [1], texts("abcde")[:-1], "x: element 0 says it has 5 bytes, 4 are left"),
    ("string", [2**62], texts("a"), f"x: expected {2**62} elements for BYTES"),
    ("string", [2], texts("a", b"a\xff"), "x: element 1 is not UTF-8: invalid start byte at its"),
    ("string", [1], texts(b"\xed\xa0\x80"), "x: element 0 is not UTF-8"),
]


@pytest.mark.parametrize(("dtype", "shape", "content", "problem"), LIES)
def test_bytes_that_are_not_what_the_shape_says_are_refused(
    dtype: str, shape: list[int], content: bytes, problem: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_raw(content, DATATYPES[dtype], shape, "x")

    assert refused.value.message.startswith(problem)


@given(content=st.binary(max_size=40), count=st.integers(0, 2**40))
def test_any_bytes_are_texts_or_are_refused(content: bytes, count: int) -> None:
    with suppress(InvalidInput):
        found = read_raw(content, BYTES, [count], "x")
        assert write_raw(found, BYTES) == content
