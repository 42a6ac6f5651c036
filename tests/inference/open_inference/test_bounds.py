from __future__ import annotations

import time
from contextlib import suppress

import pytest
from hypothesis import given, strategies as st

from mlmesh.inference.open_inference.bounds import (
    MAX_FIELDS,
    MAX_SHAPE_BYTES,
    MAX_TENSORS,
    SMALL_BYTES,
    check_bounds,
)
from mlmesh.openinference.v2 import inference_pb2 as pb
from mlmesh.runtime.errors import InvalidInput

EMPTY_INPUT, EMPTY_OUTPUT, EMPTY_RAW = b"\x2a\x00", b"\x32\x00", b"\x3a\x00"
GROUP = b"\x0b\x0c"


def submessage(number: int, content: bytes) -> bytes:
    assert len(content) < 2**28
    groups = [len(content) >> shift & 127 | 128 for shift in (0, 7, 14)]
    return bytes([number << 3 | 2, *groups, len(content) >> 21]) + content


def test_large_tensors_pass() -> None:
    request = pb.ModelInferRequest(raw_input_contents=[bytes(2**20)] * 3)
    for number in range(3):
        request.inputs.add(name=f"x{number}", datatype="FP32", shape=[2**18])
    typed = pb.ModelInferRequest()
    typed.inputs.add(shape=[10**6]).contents.int64_contents.extend(range(10**6))

    check_bounds(request.SerializeToString())
    check_bounds(typed.SerializeToString())


@pytest.mark.parametrize("field", [EMPTY_INPUT, EMPTY_OUTPUT, EMPTY_RAW])
def test_as_many_tensors_as_a_request_may_have_pass_and_one_more_is_refused(field: bytes) -> None:
    check_bounds(field * MAX_TENSORS)

    with pytest.raises(InvalidInput, match=f"at most {MAX_TENSORS} inputs, outputs and parameters"):
        check_bounds(field * (MAX_TENSORS + 1))


@pytest.mark.parametrize(
    "around",
    [
        lambda many: submessage(5, many(4)),
        lambda many: submessage(5, submessage(5, many(8))),
        lambda many: submessage(6, many(2)),
    ],
    ids=["parameters of an input", "texts of an input", "parameters of an output"],
)
def test_many_small_fields_inside_are_refused(around: object) -> None:
    def many(count: int) -> bytes:
        return around(lambda number: bytes([number << 3 | 2, 0]) * count)  # type: ignore[operator,no-any-return]

    check_bounds(many(MAX_FIELDS - 2))
    pb.ModelInferRequest.FromString(many(MAX_FIELDS + 1))  # is well-formed

    with pytest.raises(InvalidInput, match=f"^inputs: more than {MAX_FIELDS} fields"):
        check_bounds(many(MAX_FIELDS + 1))


def test_a_shape_of_a_million_axes_is_refused() -> None:
    request = pb.ModelInferRequest()
    request.inputs.add(shape=[1] * (MAX_SHAPE_BYTES + 1))
    request.raw_input_contents.append(bytes(SMALL_BYTES))

    with pytest.raises(InvalidInput, match=r"^inputs\.shape: a tensor of so many axes"):
        check_bounds(request.SerializeToString())


def test_a_group_does_not_hide_what_follows() -> None:
    with pytest.raises(InvalidInput, match="has a group"):
        check_bounds(GROUP + EMPTY_INPUT * SMALL_BYTES)


def test_sixty_four_mebibytes_of_empty_inputs_are_refused_at_once() -> None:
    request = EMPTY_INPUT * 2**25
    started = time.perf_counter()

    with pytest.raises(InvalidInput):
        check_bounds(request)

    assert time.perf_counter() - started < 0.5


@given(st.binary(max_size=200))
def test_any_bytes_are_passed_to_the_parser_or_refused(content: bytes) -> None:
    with suppress(InvalidInput):
        check_bounds(content + bytes(SMALL_BYTES))
