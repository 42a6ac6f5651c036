from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from tests.conformance.client import GRPC, HTTP, Client
from tests.conformance.server import MAX_BATCH

A = np.array([[1, 2], [3, 4]], np.float32)
B = np.array([[10, 20], [30, 40]], np.float32)
EXPECTED = {"total": A + B, "difference": A - B, "count": np.array([[3], [7]], np.int64)}
ROWS = np.array([[1, 2], [2, 1], [0, 9]], np.float32)
WAIT_SECONDS = 30


def probabilities(rows: Any, weights: Any = ((0, 1, 0), (1, 0, 0))) -> Any:
    scores = np.exp(np.asarray(rows, np.float32) @ np.array(weights, np.float32))
    return scores / scores.sum(1, keepdims=True)


def test_all_outputs_come_when_none_is_named(client: Client) -> None:
    result = client.infer("arithmetic", [client.input("b", B), client.input("a", A)])

    for name, expected in EXPECTED.items():
        assert result.as_numpy(name).tolist() == expected.tolist()
    assert result.as_numpy("nothing") is None


@pytest.mark.parametrize("names", [["count"], ["difference", "total"]])
def test_outputs_that_are_named_come_and_no_others(client: Client, names: list[str]) -> None:
    inputs = [client.input("a", A), client.input("b", B)]

    result = client.infer("arithmetic", inputs, outputs=[client.output(name) for name in names])

    found = {name: result.as_numpy(name) for name in EXPECTED}
    assert {name for name, array in found.items() if array is not None} == set(names)
    assert all(found[name].tolist() == EXPECTED[name].tolist() for name in names)


def test_the_answer_names_what_gave_it(client: Client) -> None:
    result = client.infer("fixed", [client.input("x", np.ones((2, 3), np.float32))])

    response = result.get_response(as_json=True) if client.is_grpc else result.get_response()
    assert response["model_name"] == "fixed"
    assert response["model_version"] == "1"
    assert result.as_numpy("x_out").shape == (2, 3)


@pytest.mark.parametrize("request_id", ["7", "a b/ü"])
def test_the_id_comes_back(client: Client, request_id: str) -> None:
    result = client.infer("classifier", [client.input("features", ROWS)], request_id=request_id)

    response = result.get_response()
    assert (response.id if client.is_grpc else response["id"]) == request_id


def test_versions_answer_apart_and_the_newest_by_default(client: Client) -> None:
    inputs = [client.input("features", ROWS)]

    first = client.infer("classifier", inputs, "1").as_numpy("probabilities")
    newest = client.infer("classifier", inputs).as_numpy("probabilities")

    assert np.allclose(first, probabilities(ROWS, ((1, 0, -1), (0, 1, -1))))
    assert np.allclose(newest, probabilities(ROWS))


def test_more_rows_than_a_batch_come_back_in_order(client: Client) -> None:
    rows = np.random.default_rng(0).uniform(0, 1, (MAX_BATCH * 3 + 5, 2)).astype(np.float32)

    result = client.infer("classifier", [client.input("features", rows)])

    assert np.allclose(result.as_numpy("probabilities"), probabilities(rows), atol=1e-6)


def test_the_best_classes_come_as_text(client: Client, beyond: Callable[[str], None]) -> None:
    beyond("the names of classes are not part of the graph")
    wanted = client.output("probabilities", class_count=2)

    result = client.infer("classifier", [client.input("features", ROWS)], outputs=[wanted])

    best = result.as_numpy("probabilities")
    assert best.shape == (3, 2)
    expected = probabilities(ROWS)
    for row, texts in enumerate(best):
        for text, column in zip(texts, np.argsort(-expected[row]), strict=False):
            score, index, label = (text if isinstance(text, str) else text.decode()).split(":")
            assert (int(index), label) == (column, "abc"[column])
            assert float(score) == pytest.approx(expected[row][column], abs=1e-5)


def test_no_more_classes_come_than_there_are(client: Client) -> None:
    wanted = client.output("probabilities", class_count=10)

    result = client.infer("classifier", [client.input("features", ROWS)], outputs=[wanted])

    assert result.as_numpy("probabilities").shape == (3, 3)


@HTTP
@pytest.mark.parametrize("input_binary", [True, False])
@pytest.mark.parametrize("output_binary", [True, False])
def test_binary_and_json_mix_within_a_request(
    client: Client, input_binary: bool, output_binary: bool
) -> None:
    inputs = [
        client.input("a", A, binary_data=input_binary),
        client.input("b", B, binary_data=not input_binary),
    ]
    outputs = [
        client.output("total", binary_data=output_binary),
        client.output("count", binary_data=not output_binary),
        client.output("difference", binary_data=output_binary),
    ]

    result = client.infer("arithmetic", inputs, outputs=outputs)

    for name, expected in EXPECTED.items():
        assert result.as_numpy(name).tolist() == expected.tolist()
    binary = "binary_data_size" in result.get_output("total").get("parameters", {})
    assert binary is output_binary
    assert ("data" in result.get_output("count")) is output_binary


@pytest.mark.parametrize("priority", [0, 1, 5, 2**32])
def test_every_priority_is_taken(client: Client, priority: int) -> None:
    result = client.infer("classifier", [client.input("features", ROWS)], priority=priority)

    assert result.as_numpy("probabilities").shape == (3, 3)


def test_parameters_of_ones_own_are_taken(client: Client) -> None:
    parameters = {"text": "ü", "whole": -1, "flag": True, "number": 0.5}

    result = client.infer("classifier", [client.input("features", ROWS)], parameters=parameters)

    assert result.as_numpy("probabilities").shape == (3, 3)


def test_headers_are_taken(client: Client) -> None:
    headers = {"x-request-id": "abc", "x-anything": "1"}

    result = client.infer("classifier", [client.input("features", ROWS)], headers=headers)

    assert result.as_numpy("probabilities").shape == (3, 3)


def test_a_timeout_in_microseconds_that_is_long_enough_is_kept(client: Client) -> None:
    rows = [client.input("features", ROWS)]

    result = client.infer("classifier", rows, timeout=WAIT_SECONDS * 1_000_000)

    assert result.as_numpy("probabilities").shape == (3, 3)


def test_a_timeout_in_microseconds_that_passes_ends_the_call(
    client: Client, beyond: Callable[[str], None]
) -> None:
    beyond("a server may ignore it")
    rows = [client.input("features", ROWS)]

    client.refuses("DEADLINE_EXCEEDED", "", "infer", "slow", rows, timeout=20_000)


@GRPC
def test_the_clients_timeout_ends_the_call(client: Client) -> None:
    rows = [client.input("features", ROWS)]

    client.refuses("DEADLINE_EXCEEDED", "", "infer", "slow", rows, client_timeout=0.03)


@HTTP
def test_a_timeout_by_header_ends_the_call(client: Client, beyond: Callable[[str], None]) -> None:
    beyond("the header is mlmesh's own")
    headers = {"x-request-timeout": "0.03"}
    rows = [client.input("features", ROWS)]

    client.refuses("DEADLINE_EXCEEDED", "", "infer", "slow", rows, headers=headers)


def test_async_infer_calls_back(grpc_client: Client) -> None:
    outcomes: dict[int, Any] = {}
    done = threading.Semaphore(0)

    def called_back(number: int, result: Any, error: Any) -> None:
        outcomes[number] = error or result.as_numpy("x_out")
        done.release()

    for number in range(20):
        sent = np.full((1, 2), number, np.int64)
        grpc_client.async_infer(
            "echo-int64",
            [grpc_client.input("x", sent)],
            lambda result, error, number=number: called_back(number, result, error),
        )
    for _ in range(20):
        assert done.acquire(timeout=WAIT_SECONDS)

    assert {number: outcome.tolist() for number, outcome in outcomes.items()} == {
        number: [[number, number]] for number in range(20)
    }


def test_async_infer_calls_back_with_the_error(grpc_client: Client) -> None:
    errors: list[InferenceServerException] = []
    done = threading.Event()

    def called_back(result: Any, error: InferenceServerException) -> None:
        errors.append(error)
        done.set()

    grpc_client.async_infer("nobody", [grpc_client.input("x", ROWS)], called_back)

    assert done.wait(WAIT_SECONDS)
    assert errors[0].status() == "StatusCode.NOT_FOUND"


def test_async_infer_can_be_cancelled(grpc_client: Client) -> None:
    errors: list[InferenceServerException] = []
    done = threading.Event()

    def called_back(result: Any, error: InferenceServerException) -> None:
        errors.append(error)
        done.set()

    call = grpc_client.async_infer("slow", [grpc_client.input("features", ROWS)], called_back)
    call.cancel()

    assert done.wait(WAIT_SECONDS)
    assert errors[0].status() == "StatusCode.CANCELLED"


@pytest.mark.parametrize("client", ["http"], indirect=True)
def test_http_requests_run_side_by_side(client: Client) -> None:
    sent = [np.full((1, 2), number, np.int64) for number in range(8)]

    calls = [client.async_infer("echo-int64", [client.input("x", one)]) for one in sent]

    found = [call.get_result().as_numpy("x_out").tolist() for call in calls]
    assert found == [one.tolist() for one in sent]
