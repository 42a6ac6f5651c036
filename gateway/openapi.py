"""The OpenAPI 3.1 document of the gateway: every binding of every method, read from the contracts.

Beside them stand the Open Inference Protocol's paths, whose HTTP no contract describes, and the
gateway's own pages.
"""

from __future__ import annotations

from typing import Any

from gateway import page_schema
from gateway.comment import Comments
from gateway.error_schema import error_headers, error_responses, error_schemas
from gateway.open_inference import document as open_inference
from gateway.open_inference.document import OpenInferencePaths
from gateway.operation import Operations, call_parameters, gaps_of, openapi_path
from gateway.page_schema import page_paths
from gateway.routes import Binding, Routes
from gateway.scalar_schema import Schema
from gateway.schema import Schemas
from gateway.socket_schema import add_handshake, socket_operation
from mlmesh.runtime.contracts import Contracts

_DESCRIPTION = (
    "Machine-learning models behind versioned contracts. Every operation is read from a contract, "
    "and the same methods answer by gRPC. JSON is ProtoJSON with the contract's own field names; "
    "camelCase is understood as well. application/x-protobuf is the message as protobuf writes it; "
    "who accepts that gets errors as google.rpc.Status. Bodies may be packed (Content-Encoding: "
    "gzip or deflate), and answers are for those who accept it."
)
_VERBS = frozenset(("get", "put", "post", "delete", "options", "head", "patch", "trace"))


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
    protocol = OpenInferencePaths(comments)
    paths |= protocol.paths() | page_paths()
    schemas = responses.components | requests.components
    return {
        "openapi": "3.1.0",
        "info": {"title": "mlmesh", "version": version, "description": _DESCRIPTION},
        "tags": _tags(comments, routes),
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())) | protocol.components() | error_schemas(),
            "responses": error_responses(),
            "headers": error_headers(),
            "parameters": call_parameters(),
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
    for binding in routes.bindings:
        if binding.method.descriptor.client_streaming:
            pattern = binding.pattern
            shared = names[pattern.segments, pattern.verb]
            # Whatever verb the contract names, a handshake is a GET.
            item = paths[openapi_path(pattern, shared)]
            if "get" not in item:
                name = _operation_id(binding, ids, "_WebSocket")
                item["get"] = socket_operation(operations, binding, name, shared)
            elif binding.verb == "GET":
                add_handshake(item["get"], operations, binding)
    return paths


def _operation_id(binding: Binding, ids: set[str], kind: str = "") -> str:
    """A name not in `ids`, where it is then."""
    descriptor = binding.method.descriptor
    name = first = f"{descriptor.containing_service.name}_{descriptor.name}{kind}"
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
    return [
        *tags.values(),
        {"name": open_inference.TAG, "description": open_inference.TAG_TEXT},
        {"name": page_schema.TAG, "description": page_schema.TAG_TEXT},
    ]
