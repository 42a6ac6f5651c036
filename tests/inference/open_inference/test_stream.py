from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc
import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from mlmesh.inference.open_inference.parameters import FINAL_RESPONSE
from mlmesh.inference.open_inference.stream import MAX_UNDER_WAY, OrderedStream
from mlmesh.openinference.v2 import inference_pb2 as pb
from mlmesh.runtime.call import Call
from mlmesh.runtime.errors import InvalidInput
from mlmesh.runtime.room import MAX_BYTES
from tests.inference.open_inference.client import Client, raw_request


async def answers_of(stream: Any) -> list[pb.ModelStreamInferResponse]:
    return [answer async for answer in stream]


async def test_answers_come_in_the_order_of_the_requests(client: Client) -> None:
    """The slow model is asked first, the quick one after it."""
    rows = np.ones((64, 2), np.float32)
    requests = [raw_request("slow", array=rows, id="0")]
    requests += [raw_request(id=str(number)) for number in range(1, 100)]

    answers = await answers_of(client.stream(iter(requests)))

    assert [answer.infer_response.id for answer in answers] == [str(n) for n in range(100)]
    assert not any(answer.error_message for answer in answers)
    assert {answer.infer_response.model_name for answer in answers[1:]} == {"tiny"}


async def test_a_wrong_request_is_answered_with_its_error_and_the_stream_goes_on(
    client: Client,
) -> None:
    wrong = raw_request(id="2")
    wrong.inputs[0].name = "feature"
    requests = [raw_request(id="1"), wrong, raw_request("tinny", id="3"), raw_request(id="4")]

    answers = await answers_of(client.stream(iter(requests)))

    assert [answer.infer_response.id for answer in answers] == ["1", "2", "3", "4"]
    assert answers[1].error_message.startswith("inputs[0].name: nothing named 'feature'")
    assert answers[2].error_message.startswith("model: there is nothing named 'tinny'")
    assert [bool(answer.infer_response.outputs) for answer in answers] == [True, False, False, True]


async def test_every_answer_says_that_it_is_the_last_of_its_request(client: Client) -> None:
    asked = raw_request()
    asked.parameters["triton_enable_empty_final_response"].bool_param = True

    answers = await answers_of(client.stream(iter([asked, raw_request("tinny")])))

    assert len(answers) == 2
    for answer in answers:
        assert answer.infer_response.parameters[FINAL_RESPONSE].bool_param


async def test_each_message_is_counted_as_a_call(
    client: Client, registry: CollectorRegistry
) -> None:
    await answers_of(client.stream(iter([raw_request()] * 3)))

    labels = {
        "grpc_service": "inference.GRPCInferenceService",
        "grpc_method": "ModelInfer",
        "grpc_code": "OK",
    }
    assert registry.get_sample_value("grpc_server_handled_total", labels) == 3


async def test_answers_come_while_the_caller_still_sends(client: Client) -> None:
    answered = asyncio.Event()

    async def requests() -> AsyncIterator[pb.ModelInferRequest]:
        yield raw_request(id="1")
        await asyncio.wait_for(answered.wait(), 10)
        yield raw_request(id="2")

    stream = client.stream(requests())
    first = await stream.read()
    answered.set()
    second = await stream.read()

    assert (first.infer_response.id, second.infer_response.id) == ("1", "2")


async def test_what_is_no_message_ends_the_stream_after_the_answers_before_it(
    client: Client,
) -> None:
    broken = type("Bytes", (), {"SerializeToString": lambda self: b"\xff\xff"})()
    stream = client.stream(iter([raw_request(id="1"), broken]))

    first = await stream.read()
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await stream.read()

    assert first.infer_response.id == "1"
    assert ended.value.code() is grpc.StatusCode.INVALID_ARGUMENT


class Gate:
    """Answers once it is open."""

    def __init__(self) -> None:
        self.began = 0
        self.cancelled = 0
        self.opened = asyncio.Event()

    async def answer(self, request: Any, call: Call) -> pb.ModelInferResponse:
        self.began += 1
        try:
            await self.opened.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if request.id == "wrong":
            raise InvalidInput("id", "is wrong")
        return pb.ModelInferResponse(id=request.id)


async def endless(read: list[int]) -> AsyncIterator[pb.ModelInferRequest]:
    while True:
        read.append(1)
        yield pb.ModelInferRequest()
        await asyncio.sleep(0)


async def test_no_more_is_read_than_may_be_under_way() -> None:
    gate, read = Gate(), list[int]()
    stream = OrderedStream(pb.ModelStreamInferResponse, gate.answer)
    answers: Any = stream(endless(read), Call("1"))

    first = asyncio.ensure_future(anext(answers))
    for _ in range(10 * MAX_UNDER_WAY):
        await asyncio.sleep(0)
    assert gate.began == MAX_UNDER_WAY
    assert len(read) == MAX_UNDER_WAY + 1  # one waits for a place

    gate.opened.set()
    await first
    await answers.aclose()


async def test_a_caller_that_hangs_up_ends_all_that_is_under_way() -> None:
    gate = Gate()
    stream = OrderedStream(pb.ModelStreamInferResponse, gate.answer)
    answers: Any = stream(endless([]), Call("1"))
    first = asyncio.ensure_future(anext(answers))
    while gate.began < MAX_UNDER_WAY:
        await asyncio.sleep(0)

    first.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await first

    async with asyncio.timeout(10):
        while gate.cancelled < MAX_UNDER_WAY:
            await asyncio.sleep(0)


async def test_no_more_bytes_are_read_than_may_be_under_way() -> None:
    gate, read = Gate(), list[int]()
    large = pb.ModelInferRequest(raw_input_contents=[bytes(MAX_BYTES // 4)])

    async def requests() -> AsyncIterator[pb.ModelInferRequest]:
        while True:
            read.append(1)
            yield large

    stream = OrderedStream(pb.ModelStreamInferResponse, gate.answer)
    answers: Any = stream(requests(), Call("1"))
    first = asyncio.ensure_future(anext(answers))
    for _ in range(100):
        await asyncio.sleep(0)

    assert gate.began == 3  # a message is a little more than its bytes
    assert len(read) == 4

    gate.opened.set()
    await first
    await answers.aclose()
