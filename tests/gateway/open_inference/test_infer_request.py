from __future__ import annotations

import gc
import time
from contextlib import suppress
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, strategies as st

from gateway.open_inference.infer_request import (
    MAX_TENSORS,
    OutputForms,
    header_length_of,
    read_infer_request,
)
from gateway.open_inference.parameter import MAX_PARAMETERS
from gateway.open_inference.tensor import MAX_RANK
from mlmesh.openinference.v2 import inference_pb2 as pb
from mlmesh.runtime.errors import InvalidInput, ServingError, Unsupported
from tests.gateway.open_inference.tensors import DTYPES, json_numbers


def read(request: Any, *blobs: bytes) -> tuple[pb.ModelInferRequest, OutputForms]:
    text = orjson.dumps(request)
    length = len(text) if blobs else None
    sent, forms = read_infer_request("m", "", text + b"".join(blobs), length)
    return pb.ModelInferRequest.FromString(sent), forms


def tensor(**fields: Any) -> dict[str, Any]:
    return {"name": "x", "datatype": "FP32", "shape": [2], "data": [1, 2], **fields}


def refusal_of(request: Any, *blobs: bytes) -> str:
    with pytest.raises(InvalidInput) as refused:
        read(request, *blobs)
    return refused.value.message


@st.composite
def tensors(draw: st.DrawFn) -> tuple[dict[str, Any], bytes, np.ndarray[Any, Any]]:
    """An input in one of its three forms, the bytes behind the JSON, and its elements."""
    name = draw(st.sampled_from(list(DTYPES)))
    shape = draw(st.lists(st.integers(0, 3), max_size=4))
    count = int(np.prod(shape))
    values = draw(st.lists(json_numbers(name), min_size=count, max_size=count))
    elements = np.array([float(v) if type(v) is str else v for v in values], DTYPES[name])
    fields: dict[str, Any] = {"datatype": name, "shape": shape}
    form = draw(st.sampled_from(["flat", "nested", "binary"]))
    if form == "binary":
        raw = elements.tobytes()
        return {**fields, "parameters": {"binary_data_size": len(raw)}}, raw, elements
    nested = np.array(values, object).reshape(shape).tolist()
    return {**fields, "data": values if form == "flat" else nested}, b"", elements


@given(sent=st.lists(tensors(), min_size=1, max_size=4))
def test_inputs_in_any_mixture_of_forms_become_the_bytes_that_numpy_has(
    sent: list[tuple[dict[str, Any], bytes, np.ndarray[Any, Any]]],
) -> None:
    inputs = [{**fields, "name": f"x{index}"} for index, (fields, _, _) in enumerate(sent)]

    message, _ = read({"inputs": inputs}, *(raw for _, raw, _ in sent))

    assert [list(one.shape) for one in message.inputs] == [one["shape"] for one in inputs]
    for raw, (_, _, elements) in zip(message.raw_input_contents, sent, strict=True):
        np.testing.assert_array_equal(np.frombuffer(raw, elements.dtype), elements)


def test_strings_and_bfloat16_are_sent_raw_too() -> None:
    inputs = [
        tensor(name="words", datatype="BYTES", shape=[1, 2], data=[["a", "é"]]),
        tensor(name="brains", datatype="BF16", data=[1, -2.5]),
    ]

    message, _ = read({"inputs": inputs})

    assert list(message.raw_input_contents) == [
        b"\1\0\0\0a\2\0\0\0\xc3\xa9",
        np.array([0x3F80, 0xC020], "<u2").tobytes(),
    ]


def test_parameters_keep_their_kinds() -> None:
    parameters = {
        "priority": 1, "timeout": 5, "sequence_id": "a", "sequence_start": True, "share": 0.5,
        "large": 2**64 - 1, "binary_data_output": True,
    }  # fmt: skip
    wanted = [{"name": "y", "parameters": {"classification": 3, "binary_data": False}}]
    request = {"id": "7", "parameters": parameters, "inputs": [tensor()], "outputs": wanted}

    message, forms = read(request)

    kinds = {key: value.WhichOneof("parameter_choice") for key, value in message.parameters.items()}
    assert kinds == {
        "priority": "uint64_param", "timeout": "int64_param", "sequence_id": "string_param",
        "sequence_start": "bool_param", "share": "double_param", "large": "uint64_param",
    }  # fmt: skip
    assert message.id == "7"
    assert dict(message.outputs[0].parameters) == {
        "classification": pb.InferParameter(int64_param=3)
    }
    assert (forms.binary("y"), forms.binary("other")) == (False, True)


def test_null_is_as_good_as_nothing_and_strange_keys_are_none_of_our_business() -> None:
    # KServe's clients send both.
    request = {"id": None, "parameters": None, "outputs": None, "model_name": "m"}

    message, forms = read({**request, "inputs": [tensor(parameters=None)]})

    assert (message.id, forms.by_default) == ("", False)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ([], "body: expected an object, got a list"),
        ({}, "inputs: send at least one"),
        ({"inputs": {}}, "inputs: expected a list, got an object"),
        ({"inputs": [1]}, "inputs[0]: expected an object, got a number"),
        ({"inputs": [tensor(name=1)]}, "inputs[0].name: expected a string, got a number"),
        ({"inputs": [tensor(name="")]}, "inputs[0].name: send the name of the tensor"),
        ({"inputs": [tensor(), tensor()]}, "inputs[1].name: given twice"),
        ({"inputs": [tensor(), tensor(name="y", datatype="F4")]}, "inputs[1].datatype: expected"),
        ({"inputs": [tensor(datatype=["FP32"])]}, "inputs[0].datatype: expected one of BOOL"),
        ({"inputs": [tensor(shape=None)]}, "inputs[0].shape: expected a list of sizes, got null"),
        ({"inputs": [tensor(shape=[-1])]}, "inputs[0].shape[0]: expected a size"),
        ({"inputs": [tensor(shape=[2, 1.0])]}, "inputs[0].shape[1]: expected a size"),
        ({"inputs": [tensor(shape=[True])]}, "inputs[0].shape[0]: expected a size"),
        ({"inputs": [tensor(shape=[2**63])]}, "inputs[0].shape[0]: expected a size"),
        ({"inputs": [tensor(shape=[1] * (MAX_RANK + 1))]}, "inputs[0].shape: more than 32 axes"),
        ({"inputs": [tensor(shape=[3])]}, "inputs[0].data: shape [3] needs 3 elements, got 2"),
        ({"inputs": [tensor(shape=[2**62, 2**62])]}, "inputs[0].data: shape [46116860184273"),
        ({"inputs": [tensor(data=None)]}, "inputs[0].data: send either it or parameters.binary_d"),
        ({"inputs": [tensor(data=7)]}, "inputs[0].data: expected a list, got a number"),
        ({"inputs": [tensor(data=[1, "2"])]}, "inputs[0].data[1]: expected a number or"),
        ({"inputs": [tensor(data=[1, [2]])]}, "inputs[0].data[1]: expected a number or"),
        ({"inputs": [tensor(data=[[1], 2])]}, "inputs[0].data[0]: expected a number or"),
        (
            {"inputs": [tensor(data=[[1, 2]])]},
            "inputs[0].data: shape [2] needs 2 items here, got 1 items",
        ),
        (
            {"inputs": [tensor(shape=[2, 2], data=[[1, 2], [3]])]},
            "inputs[0].data[1]: shape [2, 2] needs 2 items here, got 1 items",
        ),
        (
            {"inputs": [tensor(shape=[2, 2], data=[[1, 2], 3])]},
            "inputs[0].data[1]: shape [2, 2] needs 2 items here, got a single value",
        ),
        (
            {"inputs": [tensor(shape=[2, 2], data=[[1, 2], [3, True]])]},
            "inputs[0].data[1][1]: expected a number",
        ),
        (
            {"inputs": [tensor(datatype="UINT8", data=[1, 256])]},
            "inputs[0].data[1]: UINT8 is from 0 to 255",
        ),
        ({"inputs": [tensor(parameters=[])]}, "inputs[0].parameters: expected an object"),
        (
            {"inputs": [tensor(parameters={"a": [1]})]},
            'inputs[0].parameters["a"]: expected a string, a number of 64 bits, true or false, got',
        ),
        ({"inputs": [tensor()], "parameters": {"priority": -1}}, 'parameters["priority"]: expecte'),
        (
            {"inputs": [tensor()], "parameters": dict.fromkeys(map(str, range(101)), 1)},
            f"parameters: more than {MAX_PARAMETERS} parameters",
        ),
        (
            {"inputs": [tensor()], "parameters": {"binary_data_output": 1}},
            "parameters.binary_data_output: expected true or false, got a number",
        ),
        ({"inputs": [tensor()], "id": 7}, "id: expected a string, got a number"),
        ({"inputs": [tensor()], "outputs": [{}]}, "outputs[0].name: send the name"),
        (
            {"inputs": [tensor()], "outputs": [{"name": "y", "parameters": {"binary_data": "1"}}]},
            "outputs[0].parameters.binary_data: expected true or false, got a string",
        ),
    ],
)
def test_lies_are_refused_by_the_name_of_their_field(request_: Any, message: str) -> None:
    assert refusal_of(request_).startswith(message)


@pytest.mark.parametrize(
    ("sizes", "behind", "message"),
    [
        ([8], 7, "inputs[0].parameters.binary_data_size: is 8, but 7 bytes of the body are left"),
        ([8, 8], 12, "inputs[1].parameters.binary_data_size: is 8, but 4 bytes of the body are"),
        ([8], 9, "body: has 1 bytes more than the inputs name"),
        ([-8], 8, "inputs[0].parameters.binary_data_size: expected a number of bytes"),
        ([8.0], 8, "inputs[0].parameters.binary_data_size: expected a number of bytes"),
        ([True], 1, "inputs[0].parameters.binary_data_size: expected a number of bytes"),
        ([4], 4, "inputs[0].shape: [2] of FP32 needs 8 bytes, got 4"),
    ],
)
def test_binary_sizes_must_add_up(sizes: list[Any], behind: int, message: str) -> None:
    inputs = [
        {"name": f"x{n}", "datatype": "FP32", "shape": [2], "parameters": {"binary_data_size": n8}}
        for n, n8 in enumerate(sizes)
    ]

    assert refusal_of({"inputs": inputs}, bytes(behind)).startswith(message)


def test_an_input_is_json_or_binary_but_not_both() -> None:
    both = tensor(parameters={"binary_data_size": 8})

    assert "send either it or" in refusal_of({"inputs": [both]}, bytes(8))


def test_shared_memory_is_said_not_to_be_served() -> None:
    for request in (
        {"inputs": [tensor(parameters={"shared_memory_region": "r"})]},
        {
            "inputs": [tensor()],
            "outputs": [{"name": "y", "parameters": {"shared_memory_region": ""}}],
        },
    ):
        with pytest.raises(Unsupported, match="shared memory is not served"):
            read(request)


@pytest.mark.parametrize("header", ["-1", "1.5", "x", "0x1", "1" * 19, "²"])
def test_a_header_length_that_is_no_number_is_refused(header: str) -> None:
    with pytest.raises(InvalidInput, match="Inference-Header-Content-Length: expected a number"):
        header_length_of(header)


def test_a_header_length_beyond_the_body_is_refused() -> None:
    with pytest.raises(InvalidInput, match="is 9, but the body has 2 bytes"):
        read_infer_request("m", "", b"{}", 9)


@pytest.mark.parametrize(
    "body",
    [
        orjson.dumps({"inputs": [tensor()] * 10**5}),
        orjson.dumps({"inputs": [tensor()], "outputs": [{"name": "y"}] * 10**5}),
        b'{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":' + b"[" * 10**5,
        b'{"inputs":' + b"[" * 10**5 + b"]" * 10**5 + b"}",
        orjson.dumps({"inputs": [tensor(shape=[1] * 10**5)]}),
        orjson.dumps({"inputs": [tensor(data=[[[[]]] * 10**5])]}),
        orjson.dumps({"inputs": [tensor(parameters={str(n): n for n in range(10**5)})]}),
        b'{"a":NaN,"b":' + b'"' * 10**6,
        b'{"a":NaN,"b":' + b'\\"' * 10**6,
        b"NaN" * 10**6,
    ],
)
def test_what_is_built_to_be_expensive_is_refused_cheaply(body: bytes) -> None:
    # The collector would look through what other tests left.
    gc.disable()
    began = time.process_time()
    try:
        with pytest.raises(InvalidInput):
            read_infer_request("m", "", body, None)
        spent = time.process_time() - began
    finally:
        gc.enable()

    assert spent < 1.5


def test_as_many_tensors_as_are_allowed_are_taken() -> None:
    inputs = [tensor(name=str(number)) for number in range(MAX_TENSORS)]

    message, _ = read({"inputs": inputs})

    assert len(message.inputs) == MAX_TENSORS


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(
    field=st.sampled_from(["name", "datatype", "shape", "data", "parameters"]),
    value=json_values,
    outside=st.dictionaries(st.sampled_from(["id", "parameters", "outputs"]), json_values),
    blob=st.binary(max_size=9),
)
def test_whatever_is_sent_is_read_or_refused(
    field: str, value: Any, outside: dict[str, Any], blob: bytes
) -> None:
    with suppress(ServingError):
        read({"inputs": [{**tensor(), field: value}], **outside}, blob)
