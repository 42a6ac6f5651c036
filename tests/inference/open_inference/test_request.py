"""Requests that lie are refused with the field to blame, before the graph sees them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import pytest

from mlmesh.inference.host import Host
from mlmesh.inference.open_inference.model_tensors import tensors_of
from mlmesh.openinference.v2 import inference_pb2 as pb
from tests.inference.open_inference.client import Client, raw_request, typed_request

INVALID = grpc.StatusCode.INVALID_ARGUMENT
UNIMPLEMENTED = grpc.StatusCode.UNIMPLEMENTED
Change = Callable[[pb.ModelInferRequest], Any]


def pair(rows_a: int = 2, rows_b: int = 2) -> pb.ModelInferRequest:
    request = raw_request("pair", name="a", array=np.ones((rows_a, 2), np.float32))
    second = raw_request(name="b", array=np.ones((rows_b, 1), np.int64), datatype="INT64")
    request.MergeFrom(pb.ModelInferRequest(inputs=second.inputs))
    request.raw_input_contents.extend(second.raw_input_contents)
    return request


def shaped(*shape: int) -> Change:
    def change(request: pb.ModelInferRequest) -> None:
        del request.inputs[0].shape[:]
        request.inputs[0].shape.extend(shape)

    return change


LIES: list[tuple[str, Change, str]] = [
    (
        "an unknown input",
        lambda r: setattr(r.inputs[0], "name", "feature"),
        "inputs[0].name: nothing named 'feature', tiny v2.0 has features",
    ),
    (
        "the same input again",
        lambda r: r.inputs.append(r.inputs[0]),
        "inputs[1].name: 'features' was sent before",
    ),
    ("no input", lambda r: r.ClearField("inputs"), "inputs: features is missing"),
    ("nothing", lambda r: r.Clear(), "inputs: features is missing"),
    (
        "another type",
        lambda r: setattr(r.inputs[0], "datatype", "FP64"),
        "inputs[0].datatype: expected FP32, got 'FP64'",
    ),
    (
        "no type",
        lambda r: r.inputs[0].ClearField("datatype"),
        "inputs[0].datatype: expected FP32, got ''",
    ),
    ("too few axes", shaped(2), "inputs[0].shape: expected 2 axes [-1, 2] for features, got 1"),
    ("no axes", shaped(), "inputs[0].shape: expected 2 axes [-1, 2] for features, got 0"),
    (
        "too many axes",
        shaped(1, 1, 2),
        "inputs[0].shape: expected 2 axes [-1, 2] for features, got 3",
    ),
    ("another width", shaped(1, 3), "inputs[0].shape[1]: expected 2 for features, got 3"),
    ("a width below zero", shaped(1, -2), "inputs[0].shape[1]: expected 2 for features, got -2"),
    (
        "rows below zero",
        shaped(-1, 2),
        "inputs[0].shape[0]: expected 1 or more for features, got -1",
    ),
    ("no rows", shaped(0, 2), "inputs[0].shape[0]: expected 1 or more for features, got 0"),
    ("too many rows", shaped(4097, 2), "inputs[0].shape[0]: expected at most 4096 rows, got 4097"),
    (
        "as many rows as there can be",
        shaped(2**63 - 1, 2),
        f"inputs[0].shape[0]: expected at most 4096 rows, got {2**63 - 1}",
    ),
    (
        "more rows than bytes",
        shaped(2, 2),
        "raw_input_contents[0]: expected 16 bytes for FP32 [2, 2], got 8",
    ),
    (
        "a byte too many",
        lambda r: r.raw_input_contents.__setitem__(0, bytes(9)),
        "raw_input_contents[0]: expected 8 bytes for FP32 [1, 2], got 9",
    ),
    (
        "two contents for one input",
        lambda r: r.raw_input_contents.append(b""),
        "raw_input_contents: expected 1, one for each input in their order, got 2",
    ),
    (
        "both forms",
        lambda r: r.inputs[0].contents.fp32_contents.extend([1, 2]),
        "inputs[0].contents: leave it out, or raw_input_contents",
    ),
    (
        "neither form",
        lambda r: r.ClearField("raw_input_contents"),
        "inputs[0].contents.fp32_contents: expected 2 elements for [1, 2], got 0",
    ),
    (
        "an unknown output",
        lambda r: r.outputs.add(name="total"),
        "outputs[0].name: nothing named 'total', tiny v2.0 has probabilities",
    ),
    (
        "the same output again",
        lambda r: r.outputs.extend(
            [pb.ModelInferRequest.InferRequestedOutputTensor(name="probabilities")] * 2
        ),
        "outputs[1].name: 'probabilities' was sent before",
    ),
]


@pytest.mark.parametrize(("change", "problem"), [lie[1:] for lie in LIES], ids=[x[0] for x in LIES])
async def test_a_lie_is_refused_with_its_field(
    client: Client, tensor_host: Host, change: Change, problem: str
) -> None:
    request = raw_request()
    change(request)

    code, message = await client.refusal(request)

    assert code is INVALID
    assert message.startswith(problem)
    assert not tensor_host.find("tiny", "").statistics.execution_count


async def test_inputs_of_different_rows_are_refused(client: Client) -> None:
    code, message = await client.refusal(pair(2, 3))

    assert code is INVALID
    assert message == "inputs[1].shape[0]: b has 3, but a has 2: all need the same rows"


async def test_a_missing_input_is_named(client: Client) -> None:
    request = pair()
    del request.inputs[0], request.raw_input_contents[0]

    assert await client.refusal(request) == (INVALID, "inputs: a is missing")


async def test_texts_of_different_lengths_are_refused(client: Client) -> None:
    request = raw_request("texts", name="ids", array=np.ones((1, 3), np.int64), datatype="INT64")
    request.inputs.add(name="mask", datatype="INT64", shape=[1, 4])
    request.raw_input_contents.append(bytes(32))

    code, message = await client.refusal(request)

    assert code is INVALID
    assert message == "inputs[1].shape[1]: mask has 4, but ids has 3: all need the same length"


async def test_a_fixed_first_axis_is_held_to(client: Client) -> None:
    request = raw_request("fixed", name="x", array=np.ones((1, 2), np.float32))

    code, message = await client.refusal(request)

    assert (code, message) == (INVALID, "inputs[0].shape[0]: expected 2 for x, got 1")


async def test_a_hundred_thousand_inputs_are_refused_at_once(client: Client) -> None:
    request = raw_request()
    request.inputs.extend([request.inputs[0]] * 10**5)
    started = time.perf_counter()

    code, message = await client.refusal(request)

    assert (code, message) == (INVALID, "send at most 4096 inputs, outputs and parameters")
    assert time.perf_counter() - started < 2


async def test_bytes_that_are_no_request_are_the_callers_mistake(client: Client) -> None:
    for content in (b"\xff\xff\xff", bytes([0x3A]) * 8000):
        request = type("Bytes", (), {"SerializeToString": lambda self, c=content: c})()

        code, message = await client.refusal(request)

        assert code is INVALID
        assert message.startswith("the request is not a serialised mlmesh.openinference.v2.Model")


PARAMETERS: list[tuple[str, pb.InferParameter, grpc.StatusCode, str]] = [
    (
        "timeout",
        pb.InferParameter(int64_param=-1),
        INVALID,
        "expected 0 to 9007199254740992, got -1",
    ),
    (
        "timeout",
        pb.InferParameter(double_param=1),
        INVALID,
        "expected an int64_param or uint64_param",
    ),
    ("timeout", pb.InferParameter(), INVALID, "expected an int64_param or uint64_param"),
    ("priority", pb.InferParameter(int64_param=-1), INVALID, f"expected 0 to {2**64 - 1}, got -1"),
    ("priority", pb.InferParameter(string_param="1"), INVALID, "expected an int64_param or uint"),
    ("sequence_id", pb.InferParameter(int64_param=7), UNIMPLEMENTED, "no model here remembers"),
    ("sequence_id", pb.InferParameter(string_param="7"), UNIMPLEMENTED, "no model here remembers"),
    (
        "sequence_start",
        pb.InferParameter(bool_param=True),
        UNIMPLEMENTED,
        "no model here remembers",
    ),
    (
        "triton_final_response",
        pb.InferParameter(bool_param=True),
        INVALID,
        "names that begin with triton_ are reserved",
    ),
    (
        "triton_enable_empty_final_response",
        pb.InferParameter(int64_param=1),
        INVALID,
        "expected a bool_param",
    ),
    (
        "shared_memory_region",
        pb.InferParameter(string_param="r"),
        UNIMPLEMENTED,
        "shared memory is not served",
    ),
]


@pytest.mark.parametrize(("name", "value", "expected", "problem"), PARAMETERS)
async def test_a_parameter_that_cannot_be_kept_is_refused(
    client: Client, name: str, value: pb.InferParameter, expected: grpc.StatusCode, problem: str
) -> None:
    code, message = await client.refusal(raw_request(parameters={name: value}))

    assert code is expected
    assert message.startswith(f'parameters["{name}"]: {problem}')


async def test_parameters_that_ask_for_nothing_are_taken(client: Client) -> None:
    await client.infer(
        raw_request(
            parameters={
                "sequence_id": pb.InferParameter(int64_param=0),
                "sequence_start": pb.InferParameter(bool_param=False),
                "timeout": pb.InferParameter(int64_param=0),
                "priority": pb.InferParameter(uint64_param=1),
                "triton_enable_empty_final_response": pb.InferParameter(bool_param=True),
                "content_type": pb.InferParameter(string_param="np"),
            }
        )
    )


async def test_a_tensor_in_shared_memory_is_refused(client: Client) -> None:
    region = pb.InferParameter(string_param="region")
    given = raw_request()
    given.inputs[0].parameters["shared_memory_region"].CopyFrom(region)
    del given.raw_input_contents[:]
    taken = raw_request()
    taken.outputs.add(name="probabilities").parameters["shared_memory_region"].CopyFrom(region)

    for request, field in ((given, "inputs[0]"), (taken, "outputs[0]")):
        code, message = await client.refusal(request)

        assert code is UNIMPLEMENTED
        assert message.startswith(f'{field}.parameters["shared_memory_region"]: shared memory is')


async def test_unknown_models_and_versions_are_not_found(client: Client) -> None:
    for request in (raw_request("tinny"), raw_request(model_version="v9")):
        code, _ = await client.refusal(request)

        assert code is grpc.StatusCode.NOT_FOUND


async def test_the_details_of_a_refusal_name_the_field(client: Client) -> None:
    request = typed_request()
    request.inputs[0].contents.fp32_contents.append(3)

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await client.infer(request)

    details = dict(refused.value.trailing_metadata())["grpc-status-details-bin"]
    assert b"inputs[0].contents.fp32_contents" in details


def test_what_a_model_takes_is_read_once(tensor_host: Host) -> None:
    loaded = tensor_host.find("pair", "")

    assert loaded.view(tensors_of) is loaded.view(tensors_of)
