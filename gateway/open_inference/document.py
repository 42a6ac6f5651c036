"""The protocol's paths as operations of an OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import Descriptor

from gateway.comment import Comments
from gateway.error_schema import OPEN_INFERENCE_ERRORS, REQUEST_ID
from gateway.open_inference.infer_request import HEADER_LENGTH
from gateway.open_inference.infer_schema import (
    EXAMPLE,
    index_schema,
    infer_request_schema,
    infer_response_schema,
    load_schema,
)
from gateway.open_inference.path import ROUTES, Act, Route
from gateway.open_inference.plain_schema import PlainSchemas
from gateway.request import JSON
from gateway.scalar_schema import Schema
from gateway.schema import COMPONENTS, PATH_TEXT
from gateway.upload import OCTETS
from mlmesh.openinference.v2 import inference_pb2 as pb, model_config_pb2

TAG = "Open Inference Protocol"
TAG_TEXT = "KServe's protocol, version 2, in Triton's dialect: any model, by tensors."

_SERVICE = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"]
_RPCS = {
    Act.INFER: "ModelInfer",
    Act.SERVER_METADATA: "ServerMetadata",
    Act.SERVER_LIVE: "ServerLive",
    Act.SERVER_READY: "ServerReady",
    Act.MODEL_METADATA: "ModelMetadata",
    Act.MODEL_READY: "ModelReady",
    Act.MODEL_CONFIG: "ModelConfig",
    Act.MODEL_STATISTICS: "ModelStatistics",
    Act.ALL_STATISTICS: "ModelStatistics",
    Act.INDEX: "RepositoryIndex",
    Act.LOAD: "RepositoryModelLoad",
    Act.UNLOAD: "RepositoryModelUnload",
}
_MESSAGES: dict[Act, Descriptor] = {
    Act.SERVER_METADATA: pb.ServerMetadataResponse.DESCRIPTOR,
    Act.MODEL_METADATA: pb.ModelMetadataResponse.DESCRIPTOR,
    Act.MODEL_CONFIG: model_config_pb2.ModelConfig.DESCRIPTOR,
    Act.MODEL_STATISTICS: pb.ModelStatisticsResponse.DESCRIPTOR,
    Act.ALL_STATISTICS: pb.ModelStatisticsResponse.DESCRIPTOR,
}
_READINESS = (Act.SERVER_LIVE, Act.SERVER_READY, Act.MODEL_READY)
_TEXTS = {
    "model": "Name of the model.",
    "version": "Version of the model, or a label.",
}


class OpenInferencePaths:
    """Writes them; the schemas that they use are collected on the way."""

    def __init__(self, comments: Comments) -> None:
        """comments: those of the protocol's contract."""
        self._comments = comments
        self._schemas = PlainSchemas(comments)

    def paths(self) -> dict[str, dict[str, Any]]:
        """By path and verb; what is not served is left out."""
        served = [route for route in ROUTES if route.act is not Act.NOT_SERVED]
        return {
            route.pattern.template: {route.verbs[0].lower(): self._operation(route)}
            for route in served
        }

    def components(self) -> dict[str, Schema]:
        """What `paths` uses."""
        return self._schemas.components | {
            "OpenInferenceRequest": infer_request_schema(),
            "OpenInferenceResponse": infer_response_schema(),
        }

    def _operation(self, route: Route) -> dict[str, Any]:
        comment = self._comments.of(f"{_SERVICE.full_name}.{_RPCS[route.act]}")
        names = [variable.name for variable in route.pattern.variables]
        number = "_2" if "version" in names else ""
        everywhere = "All" if route.act is Act.ALL_STATISTICS else ""
        operation: dict[str, Any] = {
            "operationId": f"OpenInference_{_RPCS[route.act]}{everywhere}{number}",
            "summary": comment.summary,
            "description": comment.description,
            "tags": [TAG],
            "responses": {"200": self._answer(route.act)} | self._errors(route.act),
        }
        if parameters := [*map(_path_parameter, names), *_headers(route.act)]:
            operation["parameters"] = parameters
        if (body := _body(route.act)) is not None:
            operation["requestBody"] = body
        return operation

    def _answer(self, act: Act) -> Schema:
        content: Schema = {JSON: {"schema": self._schema(act)}}
        headers = dict(REQUEST_ID)
        if act is Act.INFER:
            content[OCTETS] = {"schema": {"type": "string", "contentMediaType": OCTETS}}
            text = "Bytes of JSON before the binary tensors, when there are any."
            headers[HEADER_LENGTH] = {"description": text, "schema": {"type": "integer"}}
        return {"description": "The answer.", "headers": headers, "content": content}

    def _errors(self, act: Act) -> Schema:
        if act not in _READINESS:
            return dict(OPEN_INFERENCE_ERRORS)
        refused: Schema = {"$ref": f"{COMPONENTS}OpenInferenceError"}
        either = {"anyOf": [self._schema(act), refused]}
        not_ready = {
            "description": "It is not; or the request is wrong.",
            "headers": REQUEST_ID,
            "content": {JSON: {"schema": either}},
        }
        return OPEN_INFERENCE_ERRORS | {"400": not_ready}

    def _schema(self, act: Act) -> Schema:
        if act in _MESSAGES:
            return self._schemas.of(_MESSAGES[act])
        if act is Act.INFER:
            return {"$ref": f"{COMPONENTS}OpenInferenceResponse"}
        if act is Act.INDEX:
            model = self._schemas.of(pb.RepositoryIndexResponse.ModelIndex.DESCRIPTOR)
            return {"type": "array", "items": model}
        if act not in _READINESS:
            return {"type": "object"}
        key = "live" if act is Act.SERVER_LIVE else "ready"
        flag: Schema = {"type": "boolean", "description": f"Whether it is {key}."}
        name: Schema = {"name": {"type": "string", "description": _TEXTS["model"]}}
        names = name if act is Act.MODEL_READY else {}
        return {"type": "object", "properties": names | {key: flag}, "required": [*names, key]}


def _path_parameter(name: str) -> Schema:
    schema = {"type": "string"} | PATH_TEXT
    example = {"example": "penguins"} if name == "model" else {}
    place = {"name": name, "in": "path", "required": True}
    return place | {"description": _TEXTS[name], "schema": schema} | example


def _headers(act: Act) -> Iterator[Schema]:
    if act is Act.INFER:
        text = (
            "Bytes of JSON before the binary tensors; 0: the body is the one tensor of a model "
            "with one input."
        )
        schema = {"type": "integer", "minimum": 0}
        yield {"name": HEADER_LENGTH, "in": "header", "description": text, "schema": schema}


def _body(act: Act) -> Schema | None:
    if act is Act.INFER:
        reference = {"$ref": f"{COMPONENTS}OpenInferenceRequest"}
        binary = {"schema": {"type": "string", "contentMediaType": OCTETS}}
        examples = {"example1": {"value": EXAMPLE}}
        content = {JSON: {"schema": reference, "examples": examples}, OCTETS: binary}
        return {"required": True, "description": "JSON, and binary tensors behind it."} | {
            "content": content
        }
    schemas = {
        Act.INDEX: index_schema(),
        Act.LOAD: load_schema("How to load it."),
        Act.UNLOAD: load_schema("How to unload it."),
    }
    return {"content": {JSON: {"schema": schemas[act]}}} if act in schemas else None
