"""The OpenAPI 3.1 document of the gateway: every binding of every method, read from the contracts.

Beside them stand the few paths of the gateway's own that no contract describes.
"""

from __future__ import annotations

from typing import Any

from gateway.comment import Comments
from gateway.operation import (
    ERROR_RESPONSES,
    ERRORS,
    JSON,
    Operation,
    Operations,
    gaps_of,
    openapi_path,
)
from gateway.routes import Binding, Routes
from gateway.scalar_schema import ANY_SCHEMA, Schema
from gateway.schema import COMPONENTS, Schemas
from mlmesh.runtime.contracts import Contracts

TAG = "Operations"

_DESCRIPTION = (
    "Machine-learning models behind versioned contracts. Every operation is read from a contract, "
    "and the same methods answer by gRPC. JSON is ProtoJSON with the contract's own field names; "
    "camelCase is understood as well. application/x-protobuf is the message as protobuf writes it; "
    "who accepts that gets errors as google.rpc.Status. Bodies may be packed (Content-Encoding: "
    "gzip or deflate), and answers are for those who accept it."
)
_VERBS = frozenset(("get", "put", "post", "delete", "options", "head", "patch", "trace"))
_ERROR_TEXTS = {
    "400": "The request is wrong; the message begins with the field that is to blame.",
    "404": "There is no such path, model or version.",
    "405": "The path is there, but not for this HTTP method.",
    "413": "The request is larger than allowed.",
    "415": "The body has a media type that is not understood.",
    "429": "The caller's quota is used up.",
    "500": "Something went wrong inside.",
    "503": "The service is away or has too much to do.",
    "504": "There was no answer in time.",
}
_ERROR_HEADERS = {
    "405": {"Allow": {"description": "The methods that it is there for."}},
    "415": {"Accept-Post": {"description": "The media types that a body may have here."}},
    "429": {"Retry-After": {"description": "Seconds after which to try again."}},
    "503": {"Retry-After": {"description": "Seconds after which to try again."}},
}


def openapi_of(contracts: Contracts, routes: Routes, version: str) -> dict[str, Any]:
    """The document; raises ValueError when an example in a comment is not JSON."""
    comments = Comments(contracts.comments)
    responses = Schemas(comments, incoming=False)
    for binding in routes.bindings:
        responses.of(binding.method.descriptor.output_type)
    # A message of both directions needs a second name where it comes in.
    apart_from = frozenset(responses.components)
    requests = Schemas(comments, incoming=True, apart_from=apart_from)
    paths = _paths(routes, Operations(comments, requests, responses))
    schemas = responses.components | requests.components
    return {
        "openapi": "3.1.0",
        "info": {"title": "mlmesh", "version": version, "description": _DESCRIPTION},
        "tags": _tags(comments, routes),
        "paths": paths | _own_paths(),
        "components": {
            "schemas": dict(sorted(schemas.items())) | {"Error": _error()},
            "responses": {name: _error_response(status) for status, name in ERRORS.items()},
        },
    }


def _paths(routes: Routes, operations: Operations) -> dict[str, dict[str, Any]]:
    paths: dict[str, dict[str, Any]] = {}
    names: dict[tuple[tuple[str, ...], str], list[str]] = {}
    ids: set[str] = set()
    for binding in routes.bindings:
        pattern = binding.pattern
        # OpenAPI wants one spelling of a path, so the first binding names what all of them share.
        shared = names.setdefault(
            (pattern.segments, pattern.verb), [gap.name for gap in gaps_of(pattern)]
        )
        item = paths.setdefault(openapi_path(pattern, shared), {})
        operation = operations.of(binding, _operation_id(binding, ids), shared)
        verb = binding.verb.lower()
        if verb in _VERBS:
            item[verb] = operation
        else:
            item.setdefault("x-additionalOperations", {})[binding.verb] = operation
    return paths


def _operation_id(binding: Binding, ids: set[str]) -> str:
    """A name not in `ids`, where it is then."""
    descriptor = binding.method.descriptor
    name = first = f"{descriptor.containing_service.name}_{descriptor.name}"
    number = 1
    while name in ids:
        number += 1
        name = f"{first}_{number}"
    ids.add(name)
    return name


def _tags(comments: Comments, routes: Routes) -> list[Schema]:
    tags: dict[str, Schema] = {}
    for binding in routes.bindings:
        service = binding.method.descriptor.containing_service
        text = comments.of(service.full_name).description
        tags.setdefault(service.name, {"name": service.name, "description": text})
    own = {"name": TAG, "description": "Probes, metrics and this document."}
    return [*tags.values(), own]


def _own_paths() -> dict[str, dict[str, Operation]]:
    json: Schema = {JSON: {"schema": {"type": "object"}}}
    text: Schema = {"text/plain": {"schema": {"type": "string"}}}
    not_ready = {"503": ERROR_RESPONSES["503"]}
    return {
        "/health": _own("health", "A summary, for people", {"content": json}, not_ready),
        "/ready": _own("ready", "Whether requests should be sent here", {}, not_ready),
        "/alive": _own("alive", "Whether the process is alive", {}),
        "/metrics": _own("metrics", "Metrics in Prometheus' text format", {"content": text}),
        "/openapi.json": _own("openapi", "This document", {"content": json}),
    }


def _own(name: str, summary: str, answer: Schema, others: Schema | None = None) -> Schema:
    responses = {"200": {"description": f"{summary}."} | answer} | (others or {})
    return {"get": {"operationId": name, "summary": summary, "tags": [TAG], "responses": responses}}


def _error() -> Schema:
    code = {"type": "integer", "description": "The HTTP status.", "minimum": 400, "maximum": 599}
    details = {
        "type": "array",
        "description": "More, for programs: google.rpc.ErrorInfo, BadRequest, RetryInfo.",
        "items": ANY_SCHEMA,
    }
    error = {
        "type": "object",
        "description": "What went wrong.",
        "properties": {
            "code": code,
            "status": {"type": "string", "description": 'The gRPC code: "INVALID_ARGUMENT".'},
            "message": {"type": "string", "description": "A sentence for people."},
            "details": details,
        },
        "required": ["code", "status", "message", "details"],
    }
    return {
        "type": "object",
        "description": "The answer to a request that failed.",
        "properties": {"error": error},
        "required": ["error"],
    }


def _error_response(status: str) -> Schema:
    response: Schema = {
        "description": _ERROR_TEXTS[status],
        "content": {JSON: {"schema": {"$ref": f"{COMPONENTS}Error"}}},
    }
    headers = {
        name: header | {"schema": {"type": "string"}}
        for name, header in _ERROR_HEADERS.get(status, {}).items()
    }
    return response | ({"headers": headers} if headers else {})
