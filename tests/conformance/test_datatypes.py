"""Every type goes to a graph and back, and not one bit of it changes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.conformance.client import HTTP, Client
from tests.conformance.tensors import FLOATS, TENSORS, Array, same

BIG = 10 * 2**20


@pytest.mark.parametrize("dtype", TENSORS)
def test_a_tensor_comes_back_as_it_went(client: Client, dtype: str) -> None:
    sent = TENSORS[dtype]

    result = client.infer(f"echo-{dtype}", [client.input("x", sent)])

    assert same(result.as_numpy("x_out"), sent)


@HTTP
@pytest.mark.parametrize("dtype", TENSORS)
def test_a_tensor_comes_back_from_json(client: Client, dtype: str) -> None:
    tensor = TENSORS[dtype]
    if dtype == "bfloat16":
        # The client cannot read the text that JSON has for infinity into this type.
        tensor = tensor[:, :2]
    # It sends this type as binary only.
    sent = client.input("x", tensor, binary_data=dtype == "bfloat16")
    wanted = client.output("x_out", binary_data=False)

    result = client.infer(f"echo-{dtype}", [sent], outputs=[wanted])

    assert "data" in result.get_output("x_out")
    # It leaves texts in JSON as they are, while it makes bytes of binary ones.
    expected = [[one.decode() for one in row] for row in tensor] if dtype == "string" else tensor
    assert same(result.as_numpy("x_out"), np.array(expected, tensor.dtype))


@pytest.mark.parametrize("dtype", FLOATS)
def test_not_a_number_comes_back(client: Client, dtype: str) -> None:
    sent = np.array([[np.nan, -np.inf]], dtype)

    result = client.infer(f"echo-{dtype}", [client.input("x", sent)])

    assert np.array_equal(result.as_numpy("x_out"), sent, equal_nan=True)


@HTTP
@pytest.mark.parametrize("dtype", FLOATS)
def test_not_a_number_comes_back_from_json(client: Client, dtype: str) -> None:
    sent = np.array([[np.nan, -np.inf, 1]], dtype)
    wanted = client.output("x_out", binary_data=False)

    result = client.infer(
        f"echo-{dtype}", [client.input("x", sent, binary_data=False)], outputs=[wanted]
    )

    assert np.array_equal(result.as_numpy("x_out"), sent, equal_nan=True)


@pytest.mark.parametrize(
    "sent",
    [
        np.array([["as str"]], object),
        np.array([[b"as bytes"]]),
        np.array([[b""]], object),
        np.array([[b"", b""], [b"", b""]], object),
    ],
    ids=["str", "numpy-bytes", "empty", "all-empty"],
)
def test_strings_of_any_kind_come_back_as_bytes(client: Client, sent: Array) -> None:
    result = client.infer("echo-string", [client.input("x", sent)])

    expected = [[one.encode() if isinstance(one, str) else one for one in row] for row in sent]
    assert result.as_numpy("x_out").tolist() == expected


def test_bytes_that_are_no_text_are_refused_by_name(
    client: Client, beyond: Callable[[str], None]
) -> None:
    beyond("a server may take bytes that are no text")
    sent = np.array([[b"fine", b"\xff\xfe"]], object)

    client.refuses(
        "INVALID_ARGUMENT",
        "element 1 is not UTF-8",
        "infer",
        "echo-string",
        [client.input("x", sent)],
    )


def test_a_tensor_without_elements_is_refused_by_name(
    client: Client, beyond: Callable[[str], None]
) -> None:
    beyond("a server may run a graph on nothing")
    sent = np.empty((0, 3), np.float32)

    client.refuses(
        "INVALID_ARGUMENT", "inputs[0].shape[0]", "infer", "echo-float32", [client.input("x", sent)]
    )


# aiohttp would rather have a file, which tritonclient does not give it.
@pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")
@pytest.mark.parametrize("dtype", ["float32", "string"])
def test_a_big_tensor_comes_back(client: Client, dtype: str) -> None:
    sent = np.arange(BIG // 4, dtype=np.float32).reshape(1, -1)
    if dtype == "string":
        sent = np.array([[b"y" * (BIG // 10)] * 10], object)

    result = client.infer(f"echo-{dtype}", [client.input("x", sent)])

    assert same(result.as_numpy("x_out"), sent)


def test_a_tensor_that_is_not_contiguous_comes_back(client: Client) -> None:
    sent = np.arange(12, dtype=np.int64).reshape(3, 4).T[::2]

    result = client.infer("echo-int64", [client.input("x", sent)])

    assert result.as_numpy("x_out").tolist() == sent.tolist()
