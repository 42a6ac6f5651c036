"""What is wrong is refused with the protocol's status, and the message says what it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.conformance.client import GRPC, Client

ROW = np.array([[1, 2]], np.float32)
Spoil = Callable[[Client], list[Any]]


def of_wrong_size(client: Client) -> list[Any]:
    """An input whose shape says more than its bytes hold."""
    sent = client.input("features", ROW)
    sent.set_shape([3, 2])
    return [sent]


def in_shared_memory(client: Client) -> list[Any]:
    sent = client.module.InferInput("features", [1, 2], "FP32")
    sent.set_shared_memory("region", 8)
    return [sent]


WRONG: dict[str, tuple[Spoil, str]] = {
    "no-inputs": (lambda client: [], "inputs"),
    "name": (lambda client: [client.input("other", ROW)], "other"),
    "one-too-many": (
        lambda client: [client.input("features", ROW), client.input("more", ROW)],
        "more",
    ),
    "twice": (
        lambda client: [client.input("features", ROW), client.input("features", ROW)],
        "inputs[1].name",
    ),
    "datatype": (
        lambda client: [client.input("features", ROW.astype(np.float64))],
        "expected FP32, got 'FP64'",
    ),
    "rank": (lambda client: [client.input("features", ROW[0])], "shape"),
    "width": (lambda client: [client.input("features", ROW[:, :1])], "inputs[0].shape[1]"),
    "size": (of_wrong_size, "24 bytes"),
}


@pytest.mark.parametrize("case", WRONG)
def test_an_input_that_is_wrong_is_refused(client: Client, case: str) -> None:
    spoil, hint = WRONG[case]

    client.refuses("INVALID_ARGUMENT", hint, "infer", "classifier", spoil(client))


@pytest.mark.parametrize(
    ("model", "version"), [("nobody", ""), ("classifier", "9"), ("Classifier", "")]
)
def test_a_model_that_is_not_there_is_not_found(client: Client, model: str, version: str) -> None:
    client.refuses(
        "NOT_FOUND", version or model, "infer", model, [client.input("features", ROW)], version
    )


def test_an_output_that_is_not_there_is_refused(client: Client) -> None:
    client.refuses(
        "INVALID_ARGUMENT",
        "other",
        "infer",
        "classifier",
        [client.input("features", ROW)],
        outputs=[client.output("other")],
    )


def test_classes_of_text_are_refused(client: Client) -> None:
    sent = client.input("x", np.array([["a"]], object))

    client.refuses(
        "INVALID_ARGUMENT",
        "classification",
        "infer",
        "echo-string",
        [sent],
        outputs=[client.output("x_out", class_count=1)],
    )


def test_a_fixed_shape_must_be_met(client: Client) -> None:
    sent = client.input("x", np.ones((3, 3), np.float32))

    client.refuses("INVALID_ARGUMENT", "inputs[0].shape[0]", "infer", "fixed", [sent])


def test_inputs_must_have_equally_many_rows(client: Client) -> None:
    inputs = [client.input("a", ROW), client.input("b", np.ones((2, 2), np.float32))]

    client.refuses("INVALID_ARGUMENT", "rows", "infer", "arithmetic", inputs)


@pytest.mark.parametrize("sequence_id", [7, "seven"])
def test_sequences_are_not_served(
    client: Client, sequence_id: int | str, beyond: Callable[[str], None]
) -> None:
    beyond("other servers have models that remember")

    client.refuses(
        "UNIMPLEMENTED",
        "sequence",
        "infer",
        "classifier",
        [client.input("features", ROW)],
        sequence_id=sequence_id,
        sequence_start=True,
    )


def test_shared_memory_is_not_served_for_inputs(
    client: Client, beyond: Callable[[str], None]
) -> None:
    beyond("Triton serves it")

    client.refuses(
        "UNIMPLEMENTED", "shared memory", "infer", "classifier", in_shared_memory(client)
    )


def test_shared_memory_is_not_served_for_outputs(
    client: Client, beyond: Callable[[str], None]
) -> None:
    beyond("Triton serves it")
    wanted = client.output("probabilities")
    wanted.set_shared_memory("region", 12)

    client.refuses(
        "UNIMPLEMENTED",
        "shared memory",
        "infer",
        "classifier",
        [client.input("features", ROW)],
        outputs=[wanted],
    )


NOT_SERVED: dict[str, tuple[Any, ...]] = {
    "get_system_shared_memory_status": (),
    "register_system_shared_memory": ("region", "/key", 64),
    "unregister_system_shared_memory": (),
    "get_cuda_shared_memory_status": (),
    "register_cuda_shared_memory": ("region", b"aGFuZGxl", 0, 64),
    "unregister_cuda_shared_memory": (),
    "get_trace_settings": (),
    "update_trace_settings": (None, {"trace_level": "OFF"}),
    "get_log_settings": (),
    "update_log_settings": ({"log_info": True},),
}


@pytest.mark.parametrize("method", NOT_SERVED)
def test_what_is_not_served_is_said_to_be_so(
    client: Client, method: str, beyond: Callable[[str], None]
) -> None:
    beyond("Triton serves it")

    client.refuses("UNIMPLEMENTED", "", method, *NOT_SERVED[method])


@GRPC
def test_a_refused_call_harms_none_after_it(client: Client) -> None:
    for _ in range(3):
        client.refuses(
            "INVALID_ARGUMENT", "other", "infer", "classifier", [client.input("other", ROW)]
        )

    result = client.infer("classifier", [client.input("features", ROW)])

    assert result.as_numpy("probabilities").shape == (1, 3)
