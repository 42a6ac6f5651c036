from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import orjson
import pytest

from gateway.running import RunningGateway, running_gateway
from gateway.settings import GatewaySettings
from mlmesh.v1 import predictor_pb2 as pb, predictor_pb2_grpc as rpc
from tests.gated import GatedPredictor

ROW = {"features": [1, 2]}
JSON = {"content-type": "application/json"}


async def test_a_prediction_by_rest_is_the_one_by_grpc(
    http: httpx.AsyncClient, predictor: rpc.PredictorServiceAsyncStub
) -> None:
    by_grpc = await predictor.Predict(pb.PredictRequest(features=[1, 2]))

    answer = (await http.post("/predict", json=ROW)).json()

    assert answer["prediction"] == answer["label"] == by_grpc.label
    assert answer["model_version"] == "v2.0"
    # The shortest digits that give back the same 32 bits.
    assert pb.PredictResponse(probabilities=answer["probabilities"]).probabilities == (
        by_grpc.probabilities
    )


@pytest.mark.parametrize(
    ("path", "body", "version"),
    [
        ("/predict", {**ROW, "model_version": "v1.0"}, "v1.0"),
        ("/v1/models/tiny:predict", ROW, "v2.0"),
        ("/v1/models/tiny/versions/v1.0:predict", ROW, "v1.0"),
        ("/v1/models/tiny:predict", {"namedFeatures": {"x": 1, "y": 2}}, "v2.0"),
    ],
)
async def test_every_binding_reaches_the_model_it_names(
    http: httpx.AsyncClient, path: str, body: dict[str, Any], version: str
) -> None:
    response = await http.post(path, json=body)

    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json()["model_version"] == version


async def test_a_regressor_predicts_a_number(http: httpx.AsyncClient) -> None:
    answer = (await http.post("/v1/models/sum:predict", json={"features": [1.5, 2]})).json()

    assert answer["prediction"] == 3.5


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
        {**JSON, "content-encoding": "gzip"},
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


async def test_head_is_answered_wherever_get_is(http: httpx.AsyncClient) -> None:
    for path in ("/health", "/v1/models"):
        response = await http.head(path)

        assert (response.status_code, response.content) == (200, b"")


async def test_a_request_that_does_not_say_what_it_sends_is_read_as_json(
    http: httpx.AsyncClient,
) -> None:
    response = await http.post("/predict", content=orjson.dumps(ROW))

    assert response.status_code == 200


async def test_a_body_in_chunks_is_bounded_as_well(http: httpx.AsyncClient) -> None:
    async def chunks() -> Any:
        for _ in range(80):
            yield b" " * 1000

    response = await http.post("/predict", content=chunks(), headers=JSON)

    assert response.status_code == 413


async def test_a_body_that_does_not_arrive_is_given_up(gateway: RunningGateway) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{")

    status = await asyncio.wait_for(reader.readline(), 10)

    assert status.startswith(b"HTTP/1.1 504")
    writer.close()
    await writer.wait_closed()


async def test_request_ids_come_back_in_the_header_and_the_answer(
    http: httpx.AsyncClient,
) -> None:
    given = await http.post("/predict", json=ROW, headers={"x-request-id": "order-7"})
    made = await http.post("/predict", json=ROW, headers={"x-request-id": "bad id"})
    refused = await http.post("/nowhere", headers={"x-request-id": "order-8"})

    assert given.headers["x-request-id"] == given.json()["request_id"] == "order-7"
    assert made.headers["x-request-id"] == made.json()["request_id"] != "bad id"
    assert refused.headers["x-request-id"] == "order-8"


async def test_bytes_that_are_no_http_are_answered_with_a_status(gateway: RunningGateway) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(b"\x16\x03\x01 this is TLS\r\n\r\n")

    answer = await asyncio.wait_for(reader.read(), 10)

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400")
    assert orjson.loads(body)["error"]["status"] == "INVALID_ARGUMENT"
    writer.close()
    await writer.wait_closed()


async def test_a_batch_has_a_status_for_every_row(http: httpx.AsyncClient) -> None:
    rows = [{"features": [1, 2]}, {"features": [1]}, {"features": ["NaN", 1]}]

    response = await http.post("/predict/batch", json={"rows": rows})

    results = response.json()["results"]
    assert response.status_code == 200
    assert [result["status"]["code"] for result in results] == [0, 3, 3]
    assert results[1]["status"]["details"][1]["field_violations"][0]["field"] == "rows[1].features"


async def test_lines_are_answered_with_lines(http: httpx.AsyncClient) -> None:
    lines = [
        {"id": "good", "request": ROW},
        {"id": "bad", "request": {"features": [1]}},
    ]
    content = b"\n".join(map(orjson.dumps, lines))

    response = await http.post(
        "/v1/models:streamPredict",
        content=content,
        headers={"content-type": "application/x-ndjson"},
    )

    answers = {line["id"]: line for line in map(orjson.loads, response.content.splitlines())}
    assert response.headers["content-type"] == "application/x-ndjson"
    assert answers["good"]["response"]["label"] == "a"
    assert answers["bad"]["status"]["code"] == 3


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


async def test_requests_are_counted_by_route_and_status(http: httpx.AsyncClient) -> None:
    await http.post("/v1/models/tiny:predict", json=ROW)
    for number in range(5):
        await http.post(f"/nowhere/{number}")

    page = (await http.get("/metrics")).text

    served = '{method="POST",route="/v1/models/{model}:predict",status="200"} 1.0'
    unmatched = '{method="POST",route="unmatched",status="404"} 5.0'
    assert f"http_requests_total{served}" in page
    assert f"http_requests_total{unmatched}" in page
    assert "http_request_duration_seconds_bucket" in page
    assert "nowhere" not in page


async def test_models_are_listed_and_described(http: httpx.AsyncClient) -> None:
    listed = (await http.get("/v1/models")).json()
    one = (await http.get("/v1/models/kinds")).json()["model"]
    unknown = await http.get("/v1/models/nobody")

    assert [model["name"] for model in listed["models"]] == ["kinds", "sum", "tiny"]
    assert listed["problems"] == []
    assert one["service"] == "mlmesh.v1.PredictorService"
    assert one["versions"][0]["state"] == "MODEL_STATE_READY"
    assert one["versions"][0]["features"][2]["categories"] == ["plain", "striped"]
    assert unknown.status_code == 404


async def test_the_openapi_document_is_served(http: httpx.AsyncClient) -> None:
    document = (await http.get("/openapi.json")).json()

    assert document["openapi"].startswith("3.1")
    assert "/v1/models/{model}:predict" in document["paths"]


@pytest.mark.parametrize(("field", "text"), [("grpc-timeout", "2S"), ("x-request-timeout", "2")])
async def test_the_backend_gets_less_time_than_the_gateway(
    gated_http: httpx.AsyncClient, gated: GatedPredictor, field: str, text: str
) -> None:
    gated.gate.set()

    await gated_http.post("/predict", json={}, headers={field: text})

    assert 1 < gated.began[0].remaining < 2


async def test_the_contract_bounds_the_time_that_a_client_asks_for(
    gated_http: httpx.AsyncClient, gated: GatedPredictor
) -> None:
    gated.gate.set()

    await gated_http.post("/predict", json={}, headers={"x-request-timeout": "600"})

    assert gated.began[0].remaining < 5


async def test_a_deadline_that_passes_is_504_and_ends_the_work(
    gated_http: httpx.AsyncClient, gated: GatedPredictor
) -> None:
    response = await gated_http.post("/predict", json={}, headers={"x-request-timeout": "0.3"})

    assert response.status_code == 504
    await asyncio.wait_for(gated.cancelled.wait(), 5)


async def test_a_trace_is_passed_on_and_a_broken_one_replaced(
    gated_http: httpx.AsyncClient, gated: GatedPredictor
) -> None:
    gated.gate.set()
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    await gated_http.post("/predict", json={}, headers={"traceparent": trace})
    await gated_http.post("/predict", json={}, headers={"traceparent": "nonsense"})

    kept, made = gated.began
    assert kept.traceparent == trace
    assert made.traceparent.endswith("-00")


async def test_a_client_that_leaves_ends_its_call(
    gated_gateway: RunningGateway, gated: GatedPredictor
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", gated_gateway.port)
    writer.write(b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}")
    await gated.has_begun()

    writer.close()

    await asyncio.wait_for(gated.cancelled.wait(), 5)


async def test_an_unexpected_failure_of_a_backend_tells_nothing(
    gated_http: httpx.AsyncClient,
) -> None:
    response = await gated_http.post("/v1/models/broken:predict", json={})

    assert response.status_code == 500
    assert response.json()["error"]["message"] == "internal error"


async def test_requests_beyond_the_limit_are_told_when_to_come_back(
    gated_settings: GatewaySettings, gated: GatedPredictor
) -> None:
    settings = gated_settings.model_copy(update={"max_concurrent_requests": 1})
    async with (
        running_gateway(settings) as gateway,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}") as client,
    ):
        held = asyncio.create_task(client.post("/predict", json={}))
        await gated.has_begun()

        refused = await client.post("/predict", json={})
        alive = await client.get("/alive")
        gated.gate.set()

        assert (await held).status_code == 200
    assert refused.status_code == 503
    assert 1 <= int(refused.headers["retry-after"]) <= 2
    assert alive.status_code == 200


async def longest_wait_beside(http: httpx.AsyncClient, path: str, content: bytes) -> float:
    """Seconds that the slowest small request waited while a large one was worked on."""
    large = asyncio.create_task(http.post(path, content=content, headers=JSON))
    waits = []
    while not large.done():
        started = time.perf_counter()
        await http.get("/alive")
        waits.append(time.perf_counter() - started)
    await large
    return max(waits)


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/process", b'{"data":[' + b"1," * 500_000 + b"1]}"),
        ("/predict", b'{"named_features":{"x":[' + b"1," * 500_000 + b"1]}}"),
        ("/predict/batch", b'{"rows":[' + b"{}," * 300_000 + b"{}]}"),
        ("/v1/models:streamPredict", b"{}\n" * 300_000),
    ],
)
async def test_a_large_request_does_not_keep_small_ones_waiting(
    gateway_settings: GatewaySettings, path: str, content: bytes
) -> None:
    settings = gateway_settings.model_copy(update={"max_body_bytes": 2**20, "body_seconds": 30})
    async with (
        running_gateway(settings) as gateway,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}", timeout=60) as client,
    ):
        assert await longest_wait_beside(client, path, content) < 2


async def test_lines_beyond_the_limit_are_refused(gateway_settings: GatewaySettings) -> None:
    settings = gateway_settings.model_copy(update={"max_stream_lines": 2})
    async with (
        running_gateway(settings) as gateway,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}") as client,
    ):
        response = await client.post("/v1/models:streamPredict", content=b'{"id":"1"}\n' * 3)

    assert response.json()["error"]["message"] == "body: send at most 2 lines in one request"


async def test_an_input_beyond_the_limit_is_refused(gateway_settings: GatewaySettings) -> None:
    settings = gateway_settings.model_copy(update={"max_input_bytes": 100})
    async with (
        running_gateway(settings) as gateway,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}") as client,
    ):
        response = await client.post("/process", json={"data": "x" * 200})

    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith("data: larger than the 100 bytes")
