from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from openapi_spec_validator import validate

from gateway.error_schema import ERRORS, OPEN_INFERENCE_ERRORS
from gateway.open_inference.path import ROUTES as OPEN_INFERENCE_ROUTES, Act, target_of
from gateway.routes import Routes
from gateway.schema import COMPONENTS
from gateway.socket_schema import EXTENSION
from mlmesh.runtime.contracts import load_contracts
from tests.gateway.compiled_contract import contracts_of, service_of
from tests.gateway.zoo import (
    DOCUMENT,
    ROUTES,
    SHIPPED,
    SHIPPED_ROUTES,
    document_of,
    operations_of,
    validator_of,
)

PATHS = DOCUMENT["paths"]
WITHOUT_CONTRACT = (["Operations"], ["Open Inference Protocol"])
BOTH = pytest.mark.parametrize(
    ("document", "routes"), [(SHIPPED, SHIPPED_ROUTES), (DOCUMENT, ROUTES)], ids=["shipped", "zoo"]
)


@BOTH
def test_the_document_is_valid(document: dict[str, Any], routes: Routes) -> None:
    validate(document)

    assert document["info"]["version"] == "1.2.3"
    assert json.loads(json.dumps(document)) == document


@BOTH
def test_every_binding_is_an_operation(document: dict[str, Any], routes: Routes) -> None:
    found = [
        routes.find(verb, _filled(path, operation)).binding
        for path, verb, operation in operations_of(document)
        if operation["tags"] not in WITHOUT_CONTRACT and "200" in operation["responses"]
    ]

    assert sorted(map(id, found)) == sorted(map(id, routes.bindings))


@BOTH
def test_operations_have_names_of_their_own(document: dict[str, Any], routes: Routes) -> None:
    ids = [operation["operationId"] for _, _, operation in operations_of(document)]

    assert len(set(ids)) == len(ids)


@BOTH
def test_every_field_and_parameter_has_a_description(
    document: dict[str, Any], routes: Routes
) -> None:
    lost = [path for path, schema in _described(document, "") if not schema.get("description")]

    assert lost == []


@BOTH
def test_every_operation_says_how_it_fails(document: dict[str, Any], routes: Routes) -> None:
    responses = document["components"]["responses"]

    for path, _, operation in operations_of(document):
        assert operation["summary"]
        if operation["tags"] != ["Operations"]:
            errors = OPEN_INFERENCE_ERRORS if path.startswith("/v2") else ERRORS
            more = {"101", "403"} if EXTENSION in operation else set()
            assert set(operation["responses"]) - {"200"} == {*more, *errors}
            assert more or "200" in operation["responses"]
        assert {"408", "431"} <= set(operation["responses"])
    for name, response in responses.items():
        dialect = "OpenInferenceError" if name.startswith("OpenInference") else "Error"
        media = response["content"]["application/json"]
        assert media["schema"] == {"$ref": f"#/components/schemas/{dialect}"}
        validator_of(document, media["schema"]).validate(media["example"])
    assert "Retry-After" in responses["TooManyRequests"]["headers"]
    assert "Allow" in responses["MethodNotAllowed"]["headers"]


@BOTH
def test_every_answer_carries_the_request_id(document: dict[str, Any], routes: Routes) -> None:
    operations = [operation["responses"] for _, _, operation in operations_of(document)]
    answers = [responses.get("200") or responses["101"] for responses in operations]
    failures = document["components"]["responses"]

    assert all("X-Request-Id" in answer["headers"] for answer in answers)
    assert {name for name, one in failures.items() if "X-Request-Id" not in one["headers"]} == {
        "RequestTimeout",
        "HeadersTooLarge",
    }


@BOTH
def test_what_takes_a_stream_can_be_spoken_to_over_a_websocket(
    document: dict[str, Any], routes: Routes
) -> None:
    streams = {
        binding.pattern for binding in routes.bindings if binding.method.descriptor.client_streaming
    }
    sockets = {
        path: operation for path, _, operation in operations_of(document) if EXTENSION in operation
    }

    assert len(sockets) == len(streams) > 0
    for path, operation in sockets.items():
        told = operation[EXTENSION]
        assert document["paths"][path]["get"] is operation
        assert told["subprotocols"] == ["mlmesh.v1.json", "mlmesh.v1.protobuf"]
        for schema in (told["sent"], told["received"]):
            assert schema["$ref"].removeprefix(COMPONENTS) in document["components"]["schemas"]


def test_a_stream_that_is_bound_to_get_is_answered_with_lines_or_a_websocket() -> None:
    operation = PATHS["/v1/followed/{name}"]["get"]

    assert {"101", "200", "403", "404"} <= set(operation["responses"])
    assert EXTENSION in operation


def test_answers_of_one_message_say_where_their_time_went() -> None:
    answers = {
        path: SHIPPED["paths"][path]["post"]["responses"]["200"]["headers"]
        for path in ("/v1/models/{model}:predict", "/v1/models:streamPredict")
    }

    assert [("Server-Timing" in headers) for headers in answers.values()] == [True, False]
    assert "ServerTiming" in SHIPPED["components"]["headers"]


def test_what_is_served_of_the_open_inference_protocol_is_in_the_document() -> None:
    served = {
        (route.pattern.template, route.verbs[0])
        for route in OPEN_INFERENCE_ROUTES
        if route.act is not Act.NOT_SERVED
    }
    written = {(path, verb) for path, verb, _ in operations_of(SHIPPED) if path.startswith("/v2")}

    assert written == served
    assert all(target_of(verb, path.replace("{", "").replace("}", "")) for path, verb in written)


def test_a_document_is_the_same_wherever_it_is_made() -> None:
    again, _ = document_of(load_contracts())

    assert again == SHIPPED


PAGE_PATHS = ["/health", "/ready", "/alive", "/metrics", "/openapi.json", "/docs"]


@pytest.mark.parametrize("path", PAGE_PATHS)
def test_the_gateways_own_paths_are_in_the_document(path: str) -> None:
    assert set(SHIPPED["paths"][path]) == {"get"}


def test_what_the_path_gives_is_not_in_the_body() -> None:
    body = PATHS["/v1/zoos/{name_1}/animals/{name_3}:feed"]["post"]["requestBody"]
    schema = body["content"]["application/json"]["schema"]

    whole = DOCUMENT["components"]["schemas"]["zoo.v1.Animal.Input"]
    assert set(schema["properties"]) == set(whole["properties"]) - {"name"}
    assert schema["additionalProperties"] is False


def test_a_variable_of_several_segments_has_a_parameter_for_each() -> None:
    parameters = PATHS["/v1/zoos/{name_1}/animals/{name_3}:feed"]["post"]["parameters"]

    assert [one["name"] for one in parameters if "in" in one] == ["name_1", "name_3"]
    assert parameters[0]["description"] == "Its part of name, which is zoos/*/animals/*. Its name."


def test_bindings_of_one_path_share_the_names_of_its_parameters() -> None:
    item = PATHS["/v1/animals/{name}"]

    assert set(item) == {"get", "put"}
    assert [parameter["name"] for parameter in item["put"]["parameters"][:1]] == ["name"]


def test_the_rest_of_a_path_is_marked() -> None:
    assert PATHS["/v1/rest/{name_rest}"]["get"]["parameters"][0]["name"] == "name_rest"


def test_an_unusual_verb_stands_beside_the_others() -> None:
    assert set(PATHS["/v1/animals"]["x-additionalOperations"]) == {"FEED"}


def test_fields_that_nothing_else_gives_are_query_parameters() -> None:
    item = PATHS["/v1/animals/{name}"]
    names = {name: _names(item[name]["parameters"], "query") for name in item}

    assert {"small", "kind", "when", "maybe", "limits.sized", "limits.tags"} <= names["get"]
    assert not {"name", "other", "other.name", "many", "value", "kinds", "status"} & names["get"]
    assert "name" in names["put"]
    assert not any(name.startswith("limits") for name in names["put"])


def test_body_and_answer_can_be_one_field() -> None:
    operation = PATHS["/v1/animals/{name}"]["put"]
    body = operation["requestBody"]["content"]["application/json"]["schema"]
    answer = operation["responses"]["200"]["content"]["application/json"]["schema"]

    assert body["$ref"] == "#/components/schemas/zoo.v1.Limits.Input"
    assert answer["items"] == {"$ref": "#/components/schemas/zoo.v1.Animal"}


def test_streams_are_lines_of_json() -> None:
    counted = PATHS["/v1/animals/{name}/{segment3}"]["get"]
    listed = PATHS["/v1/animals/{name}:list"]["post"]

    streamed = counted["responses"]["200"]["content"]
    assert set(streamed) == {"application/x-ndjson", "text/event-stream"}
    assert counted["deprecated"]
    assert set(listed["requestBody"]["content"]) == {"application/x-ndjson"}
    answered = listed["responses"]["200"]["content"]
    assert set(answered) == {"application/json", "application/x-protobuf"}


def test_descriptions_come_from_the_contracts_comments() -> None:
    feed = PATHS["/v1/zoos/{name_1}/animals/{name_3}:feed"]["post"]

    assert feed["summary"] == "Feeds an animal"
    assert feed["description"] == "Feeds an animal: now. It may refuse."
    assert {"name": "Zoo", "description": "Keeps animals."} in DOCUMENT["tags"]
    kind = DOCUMENT["components"]["schemas"]["zoo.v1.Kind"]
    assert kind["description"] == "A kind.\n\n- KIND_UNSPECIFIED: Never sent.\n- KIND_BIG: Large."


def test_examples_of_shipped_contracts_are_valid_requests() -> None:
    seen = 0
    for _, _, operation in operations_of(SHIPPED):
        for media in operation.get("requestBody", {}).get("content", {}).values():
            for example in media.get("examples", {}).values():
                validator_of(SHIPPED, media["schema"]).validate(example["value"])
                seen += 1

    predict = SHIPPED["paths"]["/v1/models/{model}:predict"]["post"]
    examples = predict["requestBody"]["content"]["application/json"]["examples"]
    assert examples["example1"] == {"value": {"features": [39.1, 18.7, 181, 3750]}}
    assert predict["parameters"][0]["example"] == "penguins"
    assert seen > 10


def test_an_example_that_is_no_json_is_refused_naming_its_message() -> None:
    source = service_of('post: "/a" body: "*"').replace(
        "message Request", "// Text.\n// Example: {wrong}\nmessage Request"
    )

    with pytest.raises(ValueError, match=r"zoo\.v1\.Request: "):
        document_of(contracts_of(source))


def _filled(path: str, operation: dict[str, Any]) -> str:
    for parameter in operation.get("parameters", ()):
        path = path.replace(f"{{{parameter.get('name')}}}", quote("a b"))
    assert "{" not in path
    return path


def _described(schema: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every property and parameter of a document, with the way to it."""
    if isinstance(schema, list):
        for number, item in enumerate(schema):
            yield from _described(item, f"{path}/{number}")
    elif isinstance(schema, dict):
        if "in" in schema and "name" in schema:
            yield path, schema
        properties = schema.get("properties", {})
        yield from ((f"{path}/{name}", inner) for name, inner in properties.items())
        for name, inner in schema.items():
            if name not in ("example", "examples"):
                yield from _described(inner, f"{path}/{name}")


def _names(parameters: list[dict[str, Any]], place: str) -> set[str]:
    return {one["name"] for one in parameters if one.get("in") == place}
