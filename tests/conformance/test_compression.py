from __future__ import annotations

import gzip
import json
import zlib

import httpx
import numpy as np
import pytest

from tests.conformance.client import GRPC, HTTP, Client
from tests.conformance.tensors import same

TENSOR = np.arange(20_000, dtype=np.int64).reshape(4, -1)
ALGORITHMS = ("gzip", "deflate")


@GRPC
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_grpc_requests_can_be_compressed(client: Client, algorithm: str) -> None:
    result = client.infer(
        "echo-int64", [client.input("x", TENSOR)], compression_algorithm=algorithm
    )

    assert same(result.as_numpy("x_out"), TENSOR)


@HTTP
@pytest.mark.parametrize(
    ("request_algorithm", "response_algorithm"),
    [("gzip", None), ("deflate", None), (None, "gzip"), (None, "deflate"), ("deflate", "gzip")],
)
@pytest.mark.parametrize("binary", [True, False])
def test_http_requests_and_answers_can_be_compressed(
    client: Client, request_algorithm: str | None, response_algorithm: str | None, binary: bool
) -> None:
    result = client.infer(
        "echo-int64",
        [client.input("x", TENSOR, binary_data=binary)],
        outputs=[client.output("x_out", binary_data=binary)],
        request_compression_algorithm=request_algorithm,
        response_compression_algorithm=response_algorithm,
    )

    assert same(result.as_numpy("x_out"), TENSOR)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_answer_is_compressed_when_that_is_asked_for(http: httpx.Client, algorithm: str) -> None:
    body = {"inputs": [{"name": "x", "datatype": "INT64", "shape": [4, 5000],
                        "data": TENSOR.tolist()}]}  # fmt: skip
    headers = {"accept-encoding": algorithm}

    with http.stream("POST", "/models/echo-int64/infer", json=body, headers=headers) as response:
        raw = b"".join(response.iter_raw())

    assert response.headers["content-encoding"] == algorithm
    plain = gzip.decompress(raw) if algorithm == "gzip" else zlib.decompress(raw)
    assert json.loads(plain)["outputs"][0]["data"] == TENSOR.reshape(-1).tolist()


def test_a_body_that_is_not_what_it_says_is_refused(http: httpx.Client) -> None:
    response = http.post(
        "/models/echo-int64/infer", content=b"{}", headers={"content-encoding": "gzip"}
    )

    assert response.status_code == 400
    assert response.json().keys() == {"error"}
