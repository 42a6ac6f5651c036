"""Every refusal over HTTP is a status that names the field."""

from __future__ import annotations

import asyncio

import httpx
import orjson
import pytest

from gateway.running import RunningGateway

ROW = {"features": [1, 2]}
JSON = {"content-type": "application/json"}


REFUSALS = [
    # method, path, content, headers -> status, name, start of the message
    ("POST", "/predict", b'{"features":[1]}', JSON, 400, "INVALID_ARGUMENT", "features: expected"),
    ("POST", "/predict", b'{"features":[1,"a"]}', JSON, 400, "INVALID_ARGUMENT", "features[1]"),
    ("POST", "/predict", b'{"features":[1,"NaN"]}', JSON, 400, "INVALID_ARGUMENT", "features[1]"),
    ("POST", "/predict", b'{"feature":[1,2]}', JSON, 400, "INVALID_ARGUMENT", "feature"),
    ("POST", "/predict", b'{"features":', JSON, 400, "INVALID_ARGUMENT", "body: not valid JSON"),
    ("POST", "/predict", b"[1,2]", JSON, 400, "INVALID_ARGUMENT", "body: expected"),
    ("POST", "/predict", b"[" * 5000 + b"]" * 5000, JSON, 400, "INVALID_ARGUMENT", "body"),
    ("POST", "/predict", b"", JSON, 400, "INVALID_ARGUMENT", "features: expected"),
    (
        "POST",
        "/v1/models/tiny:predict",
        b'{"model":"sum","features":[1,2]}',
        JSON,
        400,
        "INVALID_ARGUMENT",
        "model: the path gives another value",
    ),
    ("POST", "/predict?model=tiny", b'{"features":[1,2]}', JSON, 400, "INVALID_ARGUMENT", "model"),
    ("POST", "/v1/models/nobody:predict", b"{}", JSON, 404, "NOT_FOUND", "model: there is nothing"),
    ("POST", "/nowhere", b"{}", JSON, 404, "NOT_FOUND", "path"),
    ("POST", "/v1/models/%FF:predict", b"{}", JSON, 400, "INVALID_ARGUMENT", "path"),
    ("GET", "/predict", b"", {}, 405, "UNIMPLEMENTED", "method"),
    ("POST", "/health", b"", {}, 405, "UNIMPLEMENTED", "method"),
    (
        "POST",
        "/predict",
        b"features=1",
        {"content-type": "application/x-www-form-urlencoded"},
        415,
        "INVALID_ARGUMENT",
        "Content-Type",
    ),
    (
        "POST",
        "/predict",
        b"{}",
        {**JSON, "content-encoding": "br"},
        415,
        "INVALID_ARGUMENT",
        "Content-Encoding",
    ),
    (
        "POST",
        "/predict",
        b"{}",
        {"content-type": "application/json; charset=latin-1"},
        415,
        "INVALID_ARGUMENT",
        "Content-Type",
    ),
    ("POST", "/predict", b" " * 70_000, JSON, 413, "RESOURCE_EXHAUSTED", "body: larger than 65536"),
    (
        "POST",
        "/predict",
        b"{}",
        {**JSON, "x-request-timeout": "soon"},
        400,
        "INVALID_ARGUMENT",
        "X-Request-Timeout",
    ),
    (
        "POST",
        "/predict",
        b"{}",
        {**JSON, "grpc-timeout": "5"},
        400,
        "INVALID_ARGUMENT",
        "Grpc-Timeout",
    ),
    (
        "POST",
        "/predict",
        orjson.dumps(ROW),
        {**JSON, "x-request-timeout": "0.000001"},
        504,
        "DEADLINE_EXCEEDED",
        "the deadline passed",
    ),
]


@pytest.mark.parametrize(
    ("method", "path", "content", "headers", "status", "name", "message"), REFUSALS
)
async def test_every_refusal_is_a_status_that_names_the_field(
    http: httpx.AsyncClient,
    method: str,
    path: str,
    content: bytes,
    headers: dict[str, str],
    status: int,
    name: str,
    message: str,
) -> None:
    response = await http.request(method, path, content=content, headers=headers)

    error = response.json()["error"]
    assert (response.status_code, error["code"], error["status"]) == (status, status, name)
    assert error["message"].startswith(message)
    assert error["details"]


async def test_a_wrong_verb_is_told_which_ones_there_are(http: httpx.AsyncClient) -> None:
    refused = await http.put("/predict", json=ROW)
    asked = await http.options("/predict")

    assert refused.headers["allow"] == asked.headers["allow"] == "OPTIONS, POST"
    assert (asked.status_code, asked.content) == (204, b"")


async def test_bytes_that_are_no_http_are_answered_with_a_status(gateway: RunningGateway) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(b"\x16\x03\x01 this is TLS\r\n\r\n")

    answer = await asyncio.wait_for(reader.read(), 10)

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400")
    assert orjson.loads(body)["error"]["status"] == "INVALID_ARGUMENT"
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "body: send one JSON object a line"),
        (b'{"id":"1"}\n{"id":', "line 2: body: not valid JSON"),
        (b'{"id":"1"}\n\n{"nope":1}', "line 3: nope"),
    ],
)
async def test_lines_that_are_wrong_are_named_before_anything_is_answered(
    http: httpx.AsyncClient, content: bytes, message: str
) -> None:
    response = await http.post("/v1/models:streamPredict", content=content)

    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith(message)


async def test_an_unexpected_failure_of_a_backend_tells_nothing(
    gated_http: httpx.AsyncClient,
) -> None:
    response = await gated_http.post("/v1/models/broken:predict", json={})

    assert response.status_code == 500
    assert response.json()["error"]["message"] == "internal error"
