"""ModelStreamInfer by the client that calls back, and by the one of asyncio."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
import pytest

from tests.conformance.client import Client
from tests.conformance.tensors import Array

WAIT_SECONDS = 30
AIO = pytest.mark.parametrize("client", ["grpc.aio"], indirect=True)


def numbered(number: int) -> Array:
    return np.full((1, 2), number, np.int64)


class Answers:
    """What a stream called back with, in that order."""

    def __init__(self) -> None:
        self._queue: queue.Queue[tuple[Any, Any]] = queue.Queue()

    def __call__(self, result: Any, error: Any) -> None:
        self._queue.put((result, error))

    def result(self) -> Any:
        result, error = self._queue.get(timeout=WAIT_SECONDS)
        assert error is None, error
        return result

    def error(self) -> Any:
        result, error = self._queue.get(timeout=WAIT_SECONDS)
        assert result is None
        return error

    def left(self) -> int:
        return self._queue.qsize()


@pytest.fixture
def answers(grpc_client: Client) -> Iterator[Answers]:
    """Those of a stream that is open for the length of the test."""
    answers = Answers()
    grpc_client.start_stream(answers)
    yield answers
    grpc_client.stop_stream(cancel_requests=True)


def send(client: Client, number: int, model: str = "echo-int64", **options: Any) -> None:
    inputs = [client.input("x", numbered(number))]
    client.async_stream_infer(model, inputs, request_id=str(number), **options)


def test_answers_come_in_the_order_of_the_requests(grpc_client: Client, answers: Answers) -> None:
    for number in range(100):
        send(grpc_client, number)

    for number in range(100):
        result = answers.result()
        assert result.get_response().id == str(number)
        assert result.as_numpy("x_out").tolist() == numbered(number).tolist()


def test_a_slow_request_holds_later_answers_back(grpc_client: Client, answers: Answers) -> None:
    rows = np.ones((1, 2), np.float32)

    grpc_client.async_stream_infer("slow", [grpc_client.input("features", rows)], request_id="slow")
    send(grpc_client, 1)

    assert [answers.result().get_response().id for _ in range(2)] == ["slow", "1"]


def test_an_error_comes_in_its_place_and_the_stream_goes_on(
    grpc_client: Client, answers: Answers
) -> None:
    send(grpc_client, 1)
    send(grpc_client, 2, "nobody")
    send(grpc_client, 3, "echo-float32")
    send(grpc_client, 4)

    assert answers.result().get_response().id == "1"
    assert "nobody" in answers.error().message()
    assert "FP32" in answers.error().message()
    assert answers.result().get_response().id == "4"


def test_every_answer_says_that_it_is_the_last_of_its_request(
    grpc_client: Client, answers: Answers
) -> None:
    send(grpc_client, 1, enable_empty_final_response=True)
    send(grpc_client, 2)

    first, second = answers.result().get_response(), answers.result().get_response()
    assert first.parameters["triton_final_response"].bool_param is True
    assert [len(first.outputs), len(second.outputs)] == [1, 1]


def test_a_stream_that_is_stopped_answers_what_it_was_asked(grpc_client: Client) -> None:
    answers = Answers()
    grpc_client.start_stream(answers)
    for number in range(20):
        send(grpc_client, number)

    grpc_client.stop_stream()

    assert answers.left() == 20
    assert [answers.result().get_response().id for _ in range(20)] == [
        str(number) for number in range(20)
    ]


def test_a_stream_can_be_cancelled_and_another_one_begun(grpc_client: Client) -> None:
    answers, others = Answers(), Answers()
    grpc_client.start_stream(answers)
    rows = np.ones((1, 2), np.float32)
    grpc_client.async_stream_infer("slow", [grpc_client.input("features", rows)])

    grpc_client.stop_stream(cancel_requests=True)
    grpc_client.start_stream(others)
    send(grpc_client, 7)
    found = others.result().get_response().id
    grpc_client.stop_stream()

    assert answers.error().status() == "StatusCode.CANCELLED"
    assert found == "7"


def test_a_stream_ends_when_its_time_has_passed(grpc_client: Client) -> None:
    answers = Answers()

    grpc_client.start_stream(answers, stream_timeout=0.2)

    error = answers.error()
    grpc_client.stop_stream()
    assert error.status() == "StatusCode.DEADLINE_EXCEEDED"


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_a_stream_can_be_compressed(grpc_client: Client, algorithm: str) -> None:
    answers = Answers()
    grpc_client.start_stream(answers, compression_algorithm=algorithm)
    send(grpc_client, 5)

    found = answers.result().as_numpy("x_out").tolist()
    grpc_client.stop_stream()

    assert found == numbered(5).tolist()


@AIO
def test_asyncio_streams_results_and_errors_in_order(client: Client) -> None:
    async def requests() -> AsyncIterator[dict[str, Any]]:
        for number, model in enumerate(["echo-int64", "nobody", "echo-int64"]):
            inputs = [client.input("x", numbered(number))]
            yield {"model_name": model, "inputs": inputs, "request_id": str(number)}

    async def outcomes() -> list[str]:
        stream = client.native.stream_infer(requests())
        return [
            error.message() if error is not None else result.get_response().id
            async for result, error in stream
        ]

    first, second, third = client.run(outcomes())
    assert (first, third) == ("0", "2")
    assert "nobody" in second


@AIO
def test_asyncio_cancels_a_stream(client: Client) -> None:
    async def requests() -> AsyncIterator[dict[str, Any]]:
        rows = np.ones((1, 2), np.float32)
        for _ in range(50):
            yield {"model_name": "slow", "inputs": [client.input("features", rows)]}

    async def answered_until_cancelled() -> int:
        stream = client.native.stream_infer(requests())
        await anext(stream)
        stream.cancel()
        count = 1
        try:
            async for _ in stream:
                count += 1
        except asyncio.CancelledError:
            return count
        raise AssertionError("the stream went on to its end")

    assert client.run(answered_until_cancelled()) < 50
