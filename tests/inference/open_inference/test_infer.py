from __future__ import annotations

import asyncio
import time
from typing import Any

import grpc
import numpy as np
import pytest

from mlmesh.inference.host import Host
from mlmesh.inference.open_inference.datatypes import DATATYPES
from mlmesh.inference.open_inference.raw import write_raw
from mlmesh.openinference.v2 import inference_pb2 as pb
from tests.inference.open_inference.client import Client, raw_request, typed_request

VALUES: dict[str, list[Any]] = {
    "bool": [True, False],
    "float16": [0.5, -65504],
    "bfloat16": [0x3F80, 0xFF80],
    "float32": [1.5, np.inf],
    "float64": [np.nan, 1e300],
    "string": ["Grüße", "a\0b"],
}


def values_of(dtype: str) -> np.ndarray[Any, Any]:
    datatype = DATATYPES[dtype]
    if dtype in VALUES:
        return np.array([VALUES[dtype]], datatype.dtype)
    limits = np.iinfo(datatype.dtype)
    return np.array([[limits.min, limits.max]], datatype.dtype)


async def test_raw_gets_raw_and_typed_gets_typed(client: Client) -> None:
    raw = await client.infer(raw_request(id="7"))
    typed = await client.infer(typed_request())

    [output] = raw.outputs
    assert (raw.model_name, raw.model_version, raw.id) == ("tiny", "v2.0", "7")
    assert (output.name, output.datatype, list(output.shape)) == ("probabilities", "FP32", [1, 3])
    assert not output.HasField("contents")
    [written] = typed.outputs
    assert not typed.raw_output_contents
    probabilities = np.frombuffer(raw.raw_output_contents[0], np.float32)
    assert list(written.contents.fp32_contents) == probabilities.tolist()


@pytest.mark.parametrize("dtype", DATATYPES)
async def test_every_type_goes_through_the_graph_and_back(client: Client, dtype: str) -> None:
    datatype = DATATYPES[dtype]
    array = values_of(dtype)
    request = pb.ModelInferRequest(model_name=f"mirror-{dtype}")
    request.inputs.add(name="x", datatype=datatype.name, shape=array.shape)
    request.raw_input_contents.append(write_raw(array, datatype))

    answer = await client.infer(request)

    assert answer.outputs[0].datatype == datatype.name
    assert list(answer.outputs[0].shape) == [1, 2]
    assert list(answer.raw_output_contents) == list(request.raw_input_contents)


@pytest.mark.parametrize("dtype", [name for name, one in DATATYPES.items() if one.field])
async def test_every_type_with_a_field_goes_through_typed(client: Client, dtype: str) -> None:
    datatype = DATATYPES[dtype]
    array = values_of(dtype)
    elements = [text.encode() for text in array.flat] if dtype == "string" else array[0].tolist()
    request = pb.ModelInferRequest(model_name=f"mirror-{dtype}")
    sent = request.inputs.add(name="x", datatype=datatype.name, shape=array.shape)
    getattr(sent.contents, datatype.field).extend(elements)

    answer = await client.infer(request)

    assert answer.outputs[0].contents.SerializeToString() == sent.contents.SerializeToString()
    assert not answer.raw_output_contents


async def test_an_output_without_a_field_comes_raw_to_everybody(client: Client) -> None:
    request = pb.ModelInferRequest(model_name="mixed")
    sent = request.inputs.add(name="a", datatype="FP32", shape=[1, 1])
    sent.contents.fp32_contents.append(1)

    answer = await client.infer(request)

    assert [output.datatype for output in answer.outputs] == ["FP32", "FP16"]
    assert [len(content) for content in answer.raw_output_contents] == [4, 2]
    assert not any(output.HasField("contents") for output in answer.outputs)


async def test_outputs_come_as_they_were_asked_for(client: Client) -> None:
    request = raw_request("pair", name="a", array=np.array([[1, 2]], np.float32))
    request.inputs.add(name="b", datatype="INT64", shape=[1, 1])
    request.raw_input_contents.append(np.array([3], np.int64).tobytes())
    request.outputs.add(name="b_out")
    request.outputs.add(name="a_out")

    both = await client.infer(request)
    del request.outputs[1]
    one = await client.infer(request)

    assert [output.name for output in both.outputs] == ["b_out", "a_out"]
    assert np.frombuffer(both.raw_output_contents[0], np.int64).tolist() == [3]
    assert np.frombuffer(both.raw_output_contents[1], np.float32).tolist() == [1, 2]
    assert [output.name for output in one.outputs] == ["b_out"]


async def test_classification_gives_the_best_classes_as_texts(client: Client) -> None:
    raw, typed = raw_request(array=np.array([[1, 2], [9, 0]], np.float32)), typed_request()
    for request in (raw, typed):
        request.outputs.add(name="probabilities").parameters["classification"].int64_param = 2

    answer = await client.infer(raw)
    contents = (await client.infer(typed)).outputs[0].contents.bytes_contents

    assert (answer.outputs[0].datatype, list(answer.outputs[0].shape)) == ("BYTES", [2, 2])
    texts = [text.split(b":") for text in contents]
    assert [text[1:] for text in texts] == [[b"0", b"a"], [b"1", b"b"]]
    assert float(texts[0][0]) > float(texts[1][0])
    assert contents[0] in answer.raw_output_contents[0]
    assert answer.raw_output_contents[0].count(b":") == 8


async def test_classes_of_what_is_no_number_are_refused(client: Client) -> None:
    request = raw_request("mirror-bool", name="x", array=np.ones((1, 2), bool), datatype="BOOL")
    request.outputs.add(name="x_out").parameters["classification"].int64_param = 1

    code, message = await client.refusal(request)

    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert message.startswith(
        'outputs[0].parameters["classification"]: x_out is BOOL, which is not'
    )


async def test_versions_go_by_name_or_label_and_the_answer_says_which(
    client: Client, tensor_host: Host
) -> None:
    tensor_host.models["tiny"].pointers = tensor_host.models["tiny"].pointers.model_copy(
        update={"labels": {"stable": "v1.0"}}
    )

    for asked, given in (("", "v2.0"), ("v1.0", "v1.0"), ("stable", "v1.0")):
        answer = await client.infer(raw_request(model_version=asked))

        assert answer.model_version == given


async def test_a_graph_without_rows_takes_its_one_shape(client: Client) -> None:
    array = np.array([[1, 2], [3, 4]], np.float32)

    answer = await client.infer(raw_request("fixed", name="x", array=array))

    assert np.frombuffer(answer.raw_output_contents[0], np.float32).tolist() == [1, 2, 3, 4]


async def test_a_tensor_of_many_mebibytes_goes_through(client: Client) -> None:
    array = np.random.default_rng(0).normal(size=(1, 8 * 2**20)).astype(np.float32)
    request = raw_request("wide", name="x", array=array)

    answer = await client.infer(request)

    assert answer.raw_output_contents[0] == array.tobytes()


async def test_long_texts_do_not_hold_the_loop(client: Client) -> None:
    """A quarter of a million texts are read on a thread, while others are answered."""
    texts = np.full((1, 2**18), "some text", object)
    request = raw_request("words", name="x", array=texts[:, :1], datatype="BYTES")
    del request.inputs[0].shape[:]
    request.inputs[0].shape.extend(texts.shape)
    request.raw_input_contents[0] = write_raw(texts, DATATYPES["string"])

    slow = asyncio.create_task(client.infer(request))
    waits = []
    while not slow.done():
        started = time.perf_counter()
        await client.ask("ServerLive", pb.ServerLiveRequest())
        waits.append(time.perf_counter() - started)

    assert (await slow).raw_output_contents[0] == request.raw_input_contents[0]
    assert len(waits) > 3


async def test_a_timeout_ends_a_request(client: Client) -> None:
    request = raw_request("slow", parameters={"timeout": pb.InferParameter(int64_param=1_000)})
    started = time.perf_counter()

    code, message = await client.refusal(request)

    assert code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert message == "the request's timeout passed"
    assert time.perf_counter() - started < 5


async def test_the_more_urgent_request_is_answered_first(client: Client, tensor_host: Host) -> None:
    done: list[int] = []

    async def ask(priority: int) -> None:
        # Fills a batch of its own.
        rows = np.ones((32, 2), np.float32)
        parameters = {"priority": pb.InferParameter(uint64_param=priority)}
        await client.infer(raw_request("slow", array=rows, parameters=parameters))
        done.append(priority)

    running = asyncio.create_task(ask(7))
    while not tensor_host.find("slow", "").statistics.queue.count:
        await asyncio.sleep(0.001)
    await asyncio.gather(running, *(ask(priority) for priority in (9, 5, 1)))

    assert done == [7, 1, 5, 9]
