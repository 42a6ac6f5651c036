from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from mlmesh.inference.open_inference.contents import CHUNK, read_contents, write_contents
from mlmesh.inference.open_inference.datatypes import DATATYPES
from mlmesh.openinference.v2 import inference_pb2 as pb
from mlmesh.runtime.errors import InvalidInput

TYPED = [one for one in DATATYPES.values() if one.field and not one.is_text]
SHAPES = arrays.array_shapes(min_dims=0, max_dims=4, min_side=0)
BYTES = DATATYPES["string"]


def over_the_wire(contents: pb.InferTensorContents) -> pb.InferTensorContents:
    return pb.InferTensorContents.FromString(contents.SerializeToString())


@pytest.mark.parametrize("datatype", TYPED, ids=lambda one: one.name)
@given(data=st.data())
def test_numbers_come_back_bit_by_bit(datatype: Any, data: st.DataObject) -> None:
    array = data.draw(arrays.arrays(datatype.dtype, SHAPES))

    contents = over_the_wire(write_contents(array, datatype))
    found = read_contents(contents, datatype, array.shape, "x")

    assert (found.dtype, found.shape) == (datatype.dtype, array.shape)
    assert found.tobytes() == array.tobytes()


@pytest.mark.parametrize("datatype", TYPED, ids=lambda one: one.name)
def test_they_are_what_protobuf_itself_reads_and_writes(datatype: Any) -> None:
    array = np.arange(300).astype(datatype.dtype)
    by_protobuf = pb.InferTensorContents(**{datatype.field: array.tolist()})

    assert write_contents(array, datatype) == by_protobuf
    assert read_contents(by_protobuf, datatype, [300], "x").tolist() == array.tolist()


@pytest.mark.parametrize("datatype", TYPED, ids=lambda one: one.name)
def test_many_come_back_too(datatype: Any) -> None:
    array = np.arange(2 * CHUNK + 3).astype(datatype.dtype)

    contents = over_the_wire(write_contents(array, datatype))

    assert np.array_equal(read_contents(contents, datatype, array.shape, "x"), array)


@given(arrays.arrays(object, SHAPES, elements=st.text(max_size=20), fill=st.nothing()))
def test_texts_come_back(array: NDArray[Any]) -> None:
    found = read_contents(write_contents(array, BYTES), BYTES, array.shape, "x")

    assert found.shape == array.shape
    assert found.tolist() == array.tolist()


def test_fields_that_nobody_knows_change_nothing() -> None:
    unknown = b"\xfa\x01\x02hi"  # field 31, two bytes
    wire = write_contents(np.array([1, 2], np.float32), DATATYPES["float32"]).SerializeToString()
    contents = pb.InferTensorContents.FromString(unknown + wire + unknown)

    found = read_contents(contents, DATATYPES["float32"], [2], "x")

    assert found.tolist() == [1, 2]


LIES: list[tuple[str, dict[str, Any], list[int], str]] = [
    (
        "float32",
        {"fp32_contents": [1]},
        [2],
        "x.fp32_contents: expected 2 elements for [2], got 1",
    ),
    (
        "float32",
        {"fp64_contents": [1]},
        [1],
        "x.fp64_contents: FP32 goes into fp32_contents",
    ),
    (
        "int64",
        {"int64_contents": [1], "int_contents": [1]},
        [1],
        "x.int_contents: INT64 goes into int64_contents",
    ),
    ("float32", {}, [2**40, 2**40], f"x.fp32_contents: expected {2**80} elements"),
    ("int8", {"int_contents": [1, 128]}, [2], "x.int_contents[1]: 128 is too large for INT8"),
    ("int16", {"int_contents": [-32769]}, [1], "x.int_contents[0]: -32769 is too large for INT16"),
    ("uint8", {"uint_contents": [256]}, [1], "x.uint_contents[0]: 256 is too large for UINT8"),
    ("float16", {"fp32_contents": [1]}, [1], "x: FP16 has no field here, send it in raw_input"),
    ("bfloat16", {}, [1], "x: BF16 has no field here, send it in raw_input_contents"),
    (
        "string",
        {"bytes_contents": [b"a", b"\xff"]},
        [2],
        "x.bytes_contents: element 1 is not UTF-8",
    ),
]


@pytest.mark.parametrize(("dtype", "fields", "shape", "problem"), LIES)
def test_contents_that_are_not_what_the_input_says_are_refused(
    dtype: str, fields: dict[str, Any], shape: list[int], problem: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_contents(pb.InferTensorContents(**fields), DATATYPES[dtype], shape, "x")

    assert refused.value.message.startswith(problem)


def test_a_number_that_is_too_large_is_found_in_any_chunk() -> None:
    contents = pb.InferTensorContents(uint_contents=[0] * CHUNK + [300])

    with pytest.raises(InvalidInput, match=rf"x\.uint_contents\[{CHUNK}\]: 300 is too large"):
        read_contents(contents, DATATYPES["uint8"], [CHUNK + 1], "x")
