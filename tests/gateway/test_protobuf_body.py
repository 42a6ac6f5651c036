"""Serialised messages as bodies and as answers, from HTTP to the service."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from google.rpc import error_details_pb2, status_pb2

from gateway.intake import media_types_of
from gateway.protobuf_body import serialised_message
from gateway.routes import Routes, routes_of
from mlmesh.runtime.errors import InvalidInput
from mlmesh.v1 import models_pb2, predictor_pb2 as pb
from tests.gateway.compiled_contract import contracts_of, service_of

TYPE = "application/x-protobuf"
HEADERS = {"content-type": TYPE, "accept": TYPE}
ROW = pb.PredictRequest(features=[1, 2])


def routes_with(*rules: str, fields: str) -> Routes:
    return routes_of(contracts_of(service_of(*rules, fields=fields)))


NESTED = routes_with(
    'post: "/call/{shelf.theme}/{number}" body: "*"',
    'post: "/shelf/{name}" body: "shelf"',
    'post: "/either/{this}" body: "*"',
    'post: "/maybe/{maybe}" body: "*"',
    'post: "/names" body: "names"',
    fields="""
        Shelf shelf = 1; int32 number = 2; string name = 3; repeated string names = 4;
        oneof either { string this = 5; string that = 6; }
        optional int32 maybe = 7;
    """,
)


def read(path: str, query: bytes = b"", **fields: object) -> Any:
    """The request message for a path and a body with these fields, of the route's own pool."""
    match = NESTED.find("POST", path)
    kind = match.binding.method.request
    body: Any = kind(**fields)
    if match.binding.body == "shelf":
        body = body.shelf
    return kind.FromString(serialised_message(match, query, [body.SerializeToString()]))


async def test_a_message_is_answered_with_a_message(http: httpx.AsyncClient) -> None:
    response = await http.post("/predict", content=ROW.SerializeToString(), headers=HEADERS)

    answer = pb.PredictResponse.FromString(response.content)
    by_json = (await http.post("/predict", json={"features": [1, 2]})).json()
    assert response.status_code == 200
    assert response.headers["content-type"] == TYPE
    assert answer.label == by_json["label"]
    assert answer.request_id == response.headers["x-request-id"]


@pytest.mark.parametrize(
    ("sent", "accept", "answered"),
    [
        (TYPE, "application/json", "application/json"),
        (TYPE, "*/*", TYPE),
        ("application/protobuf", "*/*", "application/protobuf"),
        (TYPE, "application/protobuf", "application/protobuf"),
        (TYPE, "text/html", TYPE),
        (TYPE, "application/json, application/x-protobuf;q=0.9", "application/json"),
    ],
)
async def test_the_answer_is_what_accept_says(
    http: httpx.AsyncClient, sent: str, accept: str, answered: str
) -> None:
    headers = {"content-type": sent, "accept": accept}

    response = await http.post("/predict", content=ROW.SerializeToString(), headers=headers)

    assert (response.status_code, response.headers["content-type"]) == (200, answered)


async def test_a_route_without_a_body_answers_with_a_message(http: httpx.AsyncClient) -> None:
    response = await http.get("/v1/models", headers={"accept": TYPE})

    models = models_pb2.ListModelsResponse.FromString(response.content).models
    assert [model.name for model in models] == ["kinds", "sum", "tiny"]


async def test_the_path_is_merged_into_the_message(http: httpx.AsyncClient) -> None:
    for sent in (ROW, pb.PredictRequest(features=[1, 2], model="tiny")):
        response = await http.post(
            "/v1/models/tiny/versions/v1.0:predict",
            content=sent.SerializeToString(),
            headers=HEADERS,
        )

        assert pb.PredictResponse.FromString(response.content).model_version == "v1.0"


@pytest.mark.parametrize(
    ("path", "content", "status", "message"),
    [
        ("/predict", b"\xff", 400, "body: not a serialised mlmesh.v1.PredictRequest"),
        ("/predict", ROW.SerializeToString()[:-1], 400, "body: not a serialised"),
        ("/predict", b"\x0a\x02\xff\xff", 400, "model: byte 0 is not valid UTF-8"),
        ("/predict", b"", 400, "features: expected"),
        (
            "/v1/models/tiny:predict",
            pb.PredictRequest(model="sum").SerializeToString(),
            400,
            "model: the path gives another value",
        ),
        ("/predict?model=tiny", ROW.SerializeToString(), 400, "model: no such parameter"),
        ("/v1/models/nobody:predict", ROW.SerializeToString(), 404, "model: there is nothing"),
    ],
)
async def test_a_refusal_is_a_serialised_status(
    http: httpx.AsyncClient, path: str, content: bytes, status: int, message: str
) -> None:
    response = await http.post(path, content=content, headers=HEADERS)

    told = status_pb2.Status.FromString(response.content)
    info = error_details_pb2.ErrorInfo()
    assert (response.status_code, response.headers["content-type"]) == (status, TYPE)
    assert told.message.startswith(message)
    assert told.details[0].Unpack(info)
    assert info.domain == "mlmesh"


def test_nested_path_fields_are_merged() -> None:
    merged = read("/call/art/3", shelf={"sizes": [1, 2]}, name="n")

    assert str(merged.shelf.theme) == "art"
    assert (list(merged.shelf.sizes), merged.number) == ([1, 2], 3)


def test_a_field_as_the_body_leaves_the_others_to_path_and_query() -> None:
    merged = read("/shelf/n", b"number=4", shelf={"theme": "art"})

    assert (merged.shelf.theme, merged.name, merged.number) == ("art", "n", 4)


@pytest.mark.parametrize(
    ("path", "fields", "problem"),
    [
        ("/call/art/3", {"shelf": {"theme": "tools"}}, "shelf.theme: the path gives another"),
        ("/call/art/3", {"number": 4}, "number: the path gives another"),
        ("/either/x", {"that": "y"}, "this: only one field of either"),
        ("/maybe/1", {"maybe": 0}, "maybe: the path gives another"),
    ],
)
def test_a_field_given_twice_with_another_value_is_refused(
    path: str, fields: dict[str, object], problem: str
) -> None:
    with pytest.raises(InvalidInput, match=problem):
        read(path, b"", **fields)


def test_the_same_value_twice_is_taken() -> None:
    assert read("/maybe/0", maybe=0).maybe == 0


def test_only_messages_are_written_by_protobuf() -> None:
    names = NESTED.find("POST", "/names").binding
    shelf = NESTED.find("POST", "/shelf/n").binding

    assert TYPE not in media_types_of(names)
    assert TYPE in media_types_of(shelf)
