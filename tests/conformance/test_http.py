"""HTTP as curl and other languages' clients speak it, which tritonclient does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest

HEADER_LENGTH = "inference-header-content-length"
INFER = "/models/echo-int64/infer"

CheckRefusal = Callable[..., None]


@pytest.fixture
def check_refusal(is_ours: bool) -> CheckRefusal:
    """Fails unless an answer is one of the protocol's failures, and in our words if it is ours."""

    def check(response: httpx.Response, status: int, hint: str = "") -> None:
        assert response.status_code >= 400, response.text
        assert isinstance(response.json()["error"], str)
        if is_ours:
            assert response.status_code == status
            assert response.headers["content-type"] == "application/json"
            assert response.json().keys() == {"error"}
            assert hint in response.json()["error"]

    return check


def tensor(data: Any, shape: list[int], datatype: str = "INT64", **more: Any) -> dict[str, Any]:
    return {"inputs": [{"name": "x", "datatype": datatype, "shape": shape, "data": data}], **more}


@pytest.mark.parametrize("data", [[1, 2, 3, 4], [[1, 2], [3, 4]]], ids=["flat", "nested"])
def test_data_may_be_flat_or_nested(http: httpx.Client, data: list[Any]) -> None:
    response = http.post(INFER, json=tensor(data, [2, 2], id="7"))

    assert response.status_code == 200
    answer = response.json()
    assert (answer["model_name"], answer["model_version"], answer["id"]) == ("echo-int64", "1", "7")
    assert answer["outputs"] == [
        {"name": "x_out", "datatype": "INT64", "shape": [2, 2], "data": [1, 2, 3, 4]}
    ]


def test_large_integers_keep_their_digits(http: httpx.Client) -> None:
    response = http.post(INFER, json=tensor([2**63 - 1, -(2**63)], [1, 2]))

    assert response.json()["outputs"][0]["data"] == [2**63 - 1, -(2**63)]


def test_a_version_may_be_in_the_path(http: httpx.Client) -> None:
    response = http.post("/models/echo-int64/versions/1/infer", json=tensor([5], [1, 1]))

    assert response.json()["outputs"][0]["data"] == [5]


def test_a_raw_body_is_the_one_input(http: httpx.Client) -> None:
    sent = np.arange(6, dtype=np.float32)

    response = http.post(
        "/models/fixed/infer", content=sent.tobytes(), headers={HEADER_LENGTH: "0"}
    )

    assert response.status_code == 200, response.text
    length = int(response.headers[HEADER_LENGTH])
    head = json.loads(response.content[:length])
    assert head["outputs"][0]["shape"] == [2, 3]
    assert response.content[length:] == sent.tobytes()


def test_a_raw_body_may_have_any_length_that_the_model_takes(
    http: httpx.Client, beyond: Callable[[str], None]
) -> None:
    beyond("a server may need to be told the shape")
    sent = np.arange(9, dtype=np.int64)

    response = http.post(INFER, content=sent.tobytes(), headers={HEADER_LENGTH: "0"})

    length = int(response.headers[HEADER_LENGTH])
    assert json.loads(response.content[:length])["outputs"][0]["shape"] == [1, 9]
    assert response.content[length:] == sent.tobytes()


def test_a_raw_body_needs_a_model_with_one_input(
    http: httpx.Client, check_refusal: CheckRefusal
) -> None:
    response = http.post(
        "/models/arithmetic/infer", content=b"\0" * 8, headers={HEADER_LENGTH: "0"}
    )

    check_refusal(response, 400)


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/octet-stream", "application/json; charset=utf-8"]
)
def test_the_content_type_does_not_matter(http: httpx.Client, kind: str | None) -> None:
    body = json.dumps(tensor([5], [1, 1])).encode()

    response = http.post(INFER, content=body, headers={"content-type": kind} if kind else {})

    assert response.status_code == 200, response.text


WRONG: dict[str, tuple[Any, str]] = {
    "not-json": (b"{", "body"),
    "not-an-object": (b"[1]", "body"),
    "no-inputs": (b"{}", "inputs"),
    "empty": (b"", "body"),
    "inputs-no-list": ({"inputs": {}}, "inputs"),
    "no-name": ({"inputs": [{"datatype": "INT64", "shape": [1, 1], "data": [1]}]}, "name"),
    "no-datatype": ({"inputs": [{"name": "x", "shape": [1, 1], "data": [1]}]}, "datatype"),
    "no-shape": ({"inputs": [{"name": "x", "datatype": "INT64", "data": [1]}]}, "shape"),
    "no-data": ({"inputs": [{"name": "x", "datatype": "INT64", "shape": [1, 1]}]}, "data"),
    "unknown-type": (tensor([1], [1, 1], "INT7"), "datatype"),
    "negative": (tensor([1], [-1, 1]), "shape"),
    "too-few": (tensor([1], [1, 2]), "data"),
    "ragged": (tensor([[1], [2, 3]], [2, 2]), "data[0]"),
    "text": (tensor(["a"], [1, 1]), "data[0]"),
    "a-fraction": (tensor([1.5], [1, 1]), "data[0]"),
    "too-large": (tensor([2**63], [1, 1]), "data[0]"),
    "a-flag": (tensor([True], [1, 1]), "data[0]"),
    "an-unknown-output": (tensor([1], [1, 1], outputs=[{"name": "other"}]), "other"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_request_that_is_wrong_is_refused_by_name(
    http: httpx.Client, check_refusal: CheckRefusal, case: str
) -> None:
    sent, hint = WRONG[case]
    body = sent if isinstance(sent, bytes) else json.dumps(sent).encode()

    response = http.post(INFER, content=body)

    check_refusal(response, 400, hint)


@pytest.mark.parametrize("length", ["x", "-1", "9999", "5"])
def test_a_wrong_header_length_is_refused(
    http: httpx.Client, check_refusal: CheckRefusal, length: str
) -> None:
    response = http.post(
        INFER, content=json.dumps(tensor([1], [1, 1])), headers={HEADER_LENGTH: length}
    )

    check_refusal(response, 400)


def test_bytes_that_no_input_names_are_refused(
    http: httpx.Client, check_refusal: CheckRefusal
) -> None:
    head = json.dumps(tensor([1], [1, 1])).encode()

    response = http.post(INFER, content=head + b"more", headers={HEADER_LENGTH: str(len(head))})

    check_refusal(response, 400, "4 bytes more")


@pytest.mark.parametrize(
    ("verb", "path", "allow"),
    [
        ("GET", INFER, "POST"),
        ("POST", "/health/live", "GET"),
        ("DELETE", "/models/classifier", "GET"),
        ("GET", "/repository/index", "POST"),
        ("PUT", "/repository/models/classifier/load", "POST"),
    ],
)
def test_a_wrong_verb_is_refused_with_the_right_one(
    http: httpx.Client,
    check_refusal: CheckRefusal,
    beyond: Callable[[str], None],
    verb: str,
    path: str,
    allow: str,
) -> None:
    beyond("a server may refuse otherwise")

    response = http.request(verb, path)

    check_refusal(response, 405)
    assert allow in response.headers["allow"]


@pytest.mark.parametrize("path", ["/nothing", "/models", "/models/classifier/generate2"])
def test_a_path_that_is_not_there_is_not_found(
    http: httpx.Client, check_refusal: CheckRefusal, path: str
) -> None:
    check_refusal(http.get(path), 404)


def test_a_model_that_is_not_there_is_not_found(
    http: httpx.Client, check_refusal: CheckRefusal
) -> None:
    response = http.post("/models/nobody/infer", json=tensor([1], [1, 1]))

    check_refusal(response, 404, "nobody")


def test_health_has_no_body_that_is_needed(http: httpx.Client) -> None:
    assert http.get("/health/live").status_code == 200
    assert http.get("/health/ready").status_code == 200
    assert http.get("/models/classifier/ready").status_code == 200
    assert http.get("/models/nobody/ready").status_code >= 400
