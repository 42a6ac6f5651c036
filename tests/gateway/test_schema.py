from __future__ import annotations

import base64
import json
from typing import Any

import protovalidate
import pytest
import schemathesis
from google.protobuf import json_format
from hypothesis import HealthCheck, given, settings, strategies as st

from gateway.query import add_path_fields, query_fields
from gateway.routes import Binding, Routes
from gateway.scalar_schema import BASE64
from gateway.socket_schema import EXTENSION
from tests.gateway.zoo import (
    DOCUMENT,
    ROUTES,
    SHIPPED,
    SHIPPED_ROUTES,
    operations_of,
    validator_of,
)

OUT = DOCUMENT["components"]["schemas"]["zoo.v1.Animal"]["properties"]
LIMITS = DOCUMENT["components"]["schemas"]["zoo.v1.Limits.Input"]
NOT_FINITE = {"type": "string", "enum": ["NaN", "Infinity", "-Infinity"]}
KIND = {"$ref": "#/components/schemas/zoo.v1.Kind"}
ANSWERED: dict[str, Any] = {
    "name": {"type": "string"},
    "small": {"type": "integer", "format": "int32", "minimum": -(2**31), "maximum": 2**31 - 1},
    "positive": {"type": "integer", "format": "uint32", "minimum": 0, "maximum": 2**32 - 1},
    "large": {"type": "string", "format": "int64", "pattern": "^-?[0-9]{1,20}$"},
    "huge": {"type": "string", "format": "uint64", "pattern": "^[0-9]{1,20}$"},
    "single": {"anyOf": [{"type": "number", "format": "float"}, NOT_FINITE]},
    "real": {"anyOf": [{"type": "number", "format": "double"}, NOT_FINITE]},
    "flag": {"type": "boolean"},
    "kind": KIND,
    "other": {"$ref": "#/components/schemas/zoo.v1.Animal"},
    "many": {"type": "array", "items": {"$ref": "#/components/schemas/zoo.v1.Animal"}},
    "value": {},
    "struct": {"type": "object"},
    "list": {"type": "array"},
    "when": {"type": "string", "format": "date-time"},
    "maybe": {"type": "string", "format": "int64", "pattern": "^-?[0-9]{1,20}$"},
    "nothing": {"type": "null"},
    "old": {"type": "string", "deprecated": True},
}

RULED: dict[str, Any] = {
    "sized": {"type": "string", "minLength": 2, "maxLength": 3},
    "exact": {"type": "string", "minLength": 4, "maxLength": 4},
    "shaped": {"type": "string", "pattern": "^[a-z]*$"},
    "framed": {"type": "string", "pattern": r"^a\.", "allOf": [{"pattern": "z$"}]},
    "chosen": {"type": "string", "enum": ["a", "b"]},
    "refused": {"type": "string", "not": {"enum": ["a"]}},
    "id": {"anyOf": [{"type": "string", "format": "uuid"}, {"const": ""}]},
    "needed": {"type": "string", "minLength": 1},
    "share": {"type": "number", "format": "double", "minimum": 0, "maximum": 1},
    "finite": {"type": "number", "format": "double"},
    "above": {
        "type": "integer", "format": "int64", "exclusiveMinimum": 5,
        "minimum": -(2**63), "maximum": 2**63 - 1,
    },
    "below": {
        "type": "integer", "format": "int32", "exclusiveMaximum": 5,
        "minimum": -5, "maximum": 2**31 - 1,
    },
    "outside": {
        "type": "integer", "format": "int32", "minimum": -(2**31), "maximum": 2**31 - 1,
        "anyOf": [{"exclusiveMinimum": 5}, {"exclusiveMaximum": -5}],
    },
    "tags": {
        "type": "array", "minItems": 1, "maxItems": 3, "uniqueItems": True,
        "items": {"type": "string", "maxLength": 2},
    },
    "counts": {
        "type": "object", "minProperties": 1, "maxProperties": 2, "propertyNames": {"minLength": 1},
        "additionalProperties": {
            "type": "integer", "format": "int32", "exclusiveMinimum": 0,
            "minimum": -(2**31), "maximum": 2**31 - 1,
        },
    },
    "kind": {"type": "string", "enum": ["KIND_BIG"]},
    "second": {"type": "string", "enum": ["KIND_BIG"]},
    "value": {},
    "third": KIND | {"not": {"const": "KIND_UNSPECIFIED"}},
    "fourth": KIND,
    "raw": {
        "type": "string", "contentEncoding": "base64", "pattern": BASE64,
        "minLength": 4, "maxLength": 8,
    },
    "agreed": {"type": "boolean", "const": True},
    "unchecked": {"type": "string"},
}  # fmt: skip


@pytest.mark.parametrize(("name", "schema"), ANSWERED.items())
def test_answers_are_described_as_protojson_writes_them(name: str, schema: dict[str, Any]) -> None:
    assert {key: OUT[name][key] for key in OUT[name] if key != "description"} == schema


@pytest.mark.parametrize(("name", "schema"), RULED.items())
def test_rules_of_requests_become_keywords(name: str, schema: dict[str, Any]) -> None:
    found = LIMITS["properties"][name]

    assert {key: found[key] for key in found if key != "description"} == schema


def test_requests_are_closed_and_answers_are_open() -> None:
    schemas = DOCUMENT["components"]["schemas"]

    assert schemas["zoo.v1.Animal.Input"]["additionalProperties"] is False
    assert "additionalProperties" not in schemas["zoo.v1.Animal"]


def test_fields_whose_absence_breaks_a_rule_are_required() -> None:
    assert set(LIMITS["required"]) == {
        "sized", "exact", "framed", "chosen", "needed", "above", "outside", "tags", "counts",
        "kind", "second", "value", "agreed", "raw",
        "third", "fourth",
    }  # fmt: skip


def test_answers_have_all_fields_that_cannot_be_absent() -> None:
    required = DOCUMENT["components"]["schemas"]["zoo.v1.Animal"]["required"]

    assert {"name", "large", "many", "kinds", "kind"} <= set(required)
    assert not {"other", "value", "this", "that", "perhaps", "maybe"} & set(required)


@pytest.mark.parametrize("filled", [False, True])
def test_an_answer_matches_its_description(filled: bool) -> None:
    method = ROUTES.find("FEED", "/v1/animals").binding.method
    text = {
        "large": "-9223372036854775808", "huge": "18446744073709551615", "single": 3.4028234e38,
        "real": "NaN", "raw": "AAE=", "kind": "KIND_BIG", "other": {"this": "a"}, "many": [{}],
        "kinds": {"-1": "KIND_BIG"}, "switches": {"true": "Infinity"}, "value": [None, {"a": 1}],
        "struct": {"a": 1}, "list": [1], "when": "2026-01-02T03:04:05.006Z", "wait": "-1.5s",
        "maybe": "1", "that": 1, "perhaps": "", "nothing": None,
        "status": {"code": 3, "message": "no", "details": []},
        "any": {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "1s"},
    }  # fmt: skip
    message = json_format.ParseDict(text if filled else {}, method.response())

    answer = json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )

    validator_of(DOCUMENT, {"$ref": "#/components/schemas/zoo.v1.Animal"}).validate(answer)


def test_of_a_required_choice_one_must_be_made() -> None:
    assert LIMITS["allOf"] == [{"oneOf": [{"required": ["first"]}, {"required": ["last"]}]}]


WITHOUT_CONTRACT = (["Operations"], ["Open Inference Protocol"])
KEPT = ["/v1/kept/{needed}", "/v1/kept/{name}/asked", "/v1/kept/of/{place}/{large}"]


def operations_by_label() -> dict[str, tuple[Any, Routes]]:
    """What schemathesis makes of the operations that take and give plain JSON."""
    found = {}
    kept = DOCUMENT | {"paths": {path: DOCUMENT["paths"][path] for path in KEPT}}
    for document, routes in ((SHIPPED, SHIPPED_ROUTES), (kept, ROUTES)):
        generator = schemathesis.openapi.from_dict(document)
        for path, verb, operation in operations_of(document):
            by_contract = operation["tags"] not in WITHOUT_CONTRACT and EXTENSION not in operation
            if by_contract and "ndjson" not in json.dumps(operation):
                found[f"{verb} {path}"] = (generator[path][verb], routes)
    return found


GENERATED = operations_by_label()


@pytest.mark.parametrize("label", GENERATED)
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_requests_that_the_document_allows_are_accepted(label: str, data: st.DataObject) -> None:
    operation, routes = GENERATED[label]

    case = data.draw(operation.as_strategy())

    match = routes.find(case.method.upper(), case.formatted_path)
    request = match.binding.method.descriptor.input_type
    fields = query_fields(request, _pairs(case.query or {}), match.binding.taken)
    if match.binding.body == "*":
        fields = _fields_of(case, match.binding)
    add_path_fields(fields, match.variables, request)
    message = json_format.ParseDict(fields, match.binding.method.request())
    protovalidate.validate(message)


def _fields_of(case: Any, binding: Binding) -> dict[str, Any]:
    """What a body says, JSON or not."""
    upload = binding.method.upload
    if case.media_type == "application/json" or upload is None:
        return dict(case.body)
    parts = dict(case.body) if case.media_type == "multipart/form-data" else {}
    file = parts.pop(upload.field, case.body)
    fields = query_fields(binding.method.descriptor.input_type, _pairs(parts), {upload.field})
    contents = [base64.b64encode(_bytes(one)).decode() for one in (file if upload.many else [file])]
    return fields | {upload.field: contents if upload.many else contents[0]}


def _bytes(drawn: Any) -> bytes:
    return drawn if isinstance(drawn, bytes) else str(drawn).encode()


def _pairs(query: dict[str, Any]) -> list[tuple[str, str]]:
    """A query as schemathesis has it, one pair for every value."""
    return [
        (name, json.dumps(value) if isinstance(value, bool) else str(value))
        for name, values in query.items()
        for value in (values if isinstance(values, list) else [values])
    ]
