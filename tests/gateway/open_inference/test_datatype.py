from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, strategies as st

from gateway.open_inference.datatype import DATATYPES, WrongElement
from tests.gateway.open_inference.tensors import (
    DTYPES,
    FLOATS,
    INTEGERS,
    brain_bytes,
    json_numbers,
)


@pytest.mark.parametrize("name", DTYPES)
@given(data=st.data())
def test_values_become_the_bytes_that_numpy_has(name: str, data: st.DataObject) -> None:
    values = data.draw(st.lists(json_numbers(name), max_size=20))

    raw = DATATYPES[name].pack(values)

    oracle = np.array([float(v) if type(v) is str else v for v in values], DTYPES[name])
    np.testing.assert_array_equal(np.frombuffer(raw, DTYPES[name]), oracle)


@pytest.mark.parametrize("name", DTYPES)
@given(raw=st.binary(max_size=64))
def test_bytes_come_back_through_json_bit_for_bit(name: str, raw: bytes) -> None:
    dtype = DTYPES[name]
    sent = np.frombuffer(raw[: len(raw) // dtype.itemsize * dtype.itemsize], dtype)
    if name == "BOOL":
        sent = sent.view("u1").astype("?")

    values = orjson.loads(orjson.dumps(DATATYPES[name].unpack(sent.tobytes())))

    back = np.frombuffer(DATATYPES[name].pack(values), dtype)
    np.testing.assert_array_equal(back, sent)


@given(values=st.lists(st.floats(-3.3e38, 3.3e38), max_size=20))
def test_bfloat16_is_rounded_to_nearest(values: list[float]) -> None:
    raw = DATATYPES["BF16"].pack(values)

    assert raw == brain_bytes(values)
    assert DATATYPES["BF16"].pack(DATATYPES["BF16"].unpack(raw)) == raw


@pytest.mark.parametrize(
    ("name", "largest"),
    [("FP16", 65504.0), ("BF16", 3.3895313892515355e38), ("FP32", 3.4028234663852886e38)],
)
def test_what_rounds_to_the_largest_number_is_taken_and_the_next_refused(
    name: str, largest: float
) -> None:
    step = {"FP16": 2**5, "BF16": 2**120, "FP32": 2**104}[name]
    datatype = DATATYPES[name]

    assert datatype.pack([largest + step * 0.49]) == datatype.pack([largest])
    with pytest.raises(WrongElement, match="too large") as refused:
        datatype.pack([1, -largest - step * 0.51])
    assert refused.value.index == 1


@pytest.mark.parametrize("special", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("name", [*FLOATS, "BF16"])
def test_numbers_that_json_does_not_have_are_strings_both_ways(name: str, special: str) -> None:
    assert DATATYPES[name].unpack(DATATYPES[name].pack([1, special])) == [1, special]


@pytest.mark.parametrize("name", INTEGERS)
def test_integers_beyond_their_range_are_refused(name: str) -> None:
    limits = np.iinfo(DTYPES[name])

    for wrong in (int(limits.min) - 1, int(limits.max) + 1, 10**30):
        with pytest.raises(WrongElement, match=f"{name} is from {limits.min} to {limits.max}"):
            DATATYPES[name].pack([0, wrong])


OTHER_THAN_INTEGERS: list[Any] = [1.0, True, "1", None, [1], {}]
OTHER_THAN_NUMBERS: list[Any] = [True, "1", "nan", None, [1.0], {}]


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        *[(name, value) for name in INTEGERS for value in OTHER_THAN_INTEGERS],
        *[(name, value) for name in FLOATS for value in OTHER_THAN_NUMBERS],
        *[("BOOL", value) for value in (0, 1, "true", None, [True])],
        *[("BYTES", value) for value in (0, True, None, ["a"])],
    ],
)
def test_values_of_another_kind_are_refused_and_counted(name: str, wrong: Any) -> None:
    right = {"BOOL": True, "BYTES": "a"}.get(name, 0)

    with pytest.raises(WrongElement, match="expected") as refused:
        DATATYPES[name].pack([right, right, wrong, right])

    assert refused.value.index == 2


@given(texts=st.lists(st.text(), max_size=10))
def test_strings_have_their_length_before_them(texts: list[str]) -> None:
    raw = DATATYPES["BYTES"].pack(texts)

    assert raw == b"".join(
        len(text.encode()).to_bytes(4, "little") + text.encode() for text in texts
    )
    assert DATATYPES["BYTES"].unpack(raw) == texts


@pytest.mark.parametrize("raw", [b"\1", b"\2\0\0\0a", b"\0\0\0\0\0", b"\xff\xff\xff\xffab"])
def test_strings_that_do_not_end_where_the_bytes_do_are_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="ends within"):
        DATATYPES["BYTES"].unpack(raw)


def test_32_bit_numbers_are_written_with_the_fewest_digits() -> None:
    assert DATATYPES["FP32"].unpack(np.array([0.1, 1e-7], "<f4").tobytes()) == [0.1, 1e-7]
