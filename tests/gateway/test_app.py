from __future__ import annotations

from typing import Any

import httpx
import orjson
import pytest

from mlmesh.v1 import predictor_pb2 as pb, predictor_pb2_grpc as rpc

ROW = {"features": [1, 2]}


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


async def test_head_is_answered_wherever_get_is(http: httpx.AsyncClient) -> None:
    for path in ("/health", "/v1/models"):
        response = await http.head(path)

        assert (response.status_code, response.content) == (200, b"")


async def test_a_request_that_does_not_say_what_it_sends_is_read_as_json(
    http: httpx.AsyncClient,
) -> None:
    response = await http.post("/predict", content=orjson.dumps(ROW))

    assert response.status_code == 200


async def test_request_ids_come_back_in_the_header_and_the_answer(
    http: httpx.AsyncClient,
) -> None:
    given = await http.post("/predict", json=ROW, headers={"x-request-id": "order-7"})
    made = await http.post("/predict", json=ROW, headers={"x-request-id": "bad id"})
    refused = await http.post("/nowhere", headers={"x-request-id": "order-8"})

    assert given.headers["x-request-id"] == given.json()["request_id"] == "order-7"
    assert made.headers["x-request-id"] == made.json()["request_id"] != "bad id"
    assert refused.headers["x-request-id"] == "order-8"


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
