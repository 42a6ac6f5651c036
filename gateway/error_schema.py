"""What an OpenAPI document says of failures: texts, headers and an example for every status."""

from __future__ import annotations

from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2

from gateway.open_inference.refusal import message_of
from gateway.request import JSON, PROTOBUF
from gateway.routes import WrongVerb
from gateway.scalar_schema import ANY_SCHEMA, Schema
from gateway.status import error_body
from mlmesh.runtime.errors import (
    DOMAIN,
    Conflict,
    DeadlineExceeded,
    InternalError,
    InvalidInput,
    ModelNotFound,
    ServingError,
    TooLarge,
    Unsupported,
    UnsupportedMediaType,
)
from mlmesh.runtime.failure import Relayed

NAMES = {
    "400": "BadRequest",
    "404": "NotFound",
    "405": "MethodNotAllowed",
    "409": "Conflict",
    "413": "ContentTooLarge",
    "415": "UnsupportedMediaType",
    "429": "TooManyRequests",
    "500": "InternalServerError",
    "501": "NotImplemented",
    "503": "ServiceUnavailable",
    "504": "GatewayTimeout",
}
ERRORS = {status: {"$ref": f"#/components/responses/{name}"} for status, name in NAMES.items()}
"""The answers to failed requests, of every operation that a contract describes."""
OPEN_INFERENCE_ERRORS = {
    status: {"$ref": f"#/components/responses/OpenInference{name}"}
    for status, name in NAMES.items()
}
"""The same in the Open Inference Protocol's dialect."""

REQUEST_ID: Schema = {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}}

# A google.rpc.Status; without a schema, a media type is bytes.
_SERIALISED: Schema = {PROTOBUF: {}}
_TEXTS = {
    "400": "The request is wrong; the message begins with the field that is to blame.",
    "404": "There is no such path, model or version.",
    "405": "The path is there, but not for this HTTP method.",
    "409": "What is to be made is there already, or something else changed it meanwhile.",
    "413": "The request is larger than allowed.",
    "415": "The body has a media type that is not understood.",
    "429": "The caller's quota is used up.",
    "500": "Something went wrong inside.",
    "501": "This is not served here.",
    "503": "The service is away or has too much to do.",
    "504": "There was no answer in time.",
}
_HEADERS: dict[str, Schema] = {
    "405": {"Allow": {"$ref": "#/components/headers/Allow"}},
    "415": {"Accept-Post": {"$ref": "#/components/headers/AcceptPost"}},
    "429": {"Retry-After": {"$ref": "#/components/headers/RetryAfter"}},
    "503": {"Retry-After": {"$ref": "#/components/headers/RetryAfter"}},
}


def error_headers() -> dict[str, Schema]:
    """Components: the headers of answers."""
    text: Schema = {"type": "string"}
    return {
        "RequestId": {
            "description": "The caller's X-Request-Id, or the one that was made for it.",
            "schema": text,
        },
        "RetryAfter": {
            "description": "Seconds after which to try again.",
            "schema": {"type": "integer", "minimum": 1},
        },
        "Allow": {"description": "The methods that the path is there for.", "schema": text},
        "AcceptPost": {"description": "The media types that a body may have here.", "schema": text},
    }


def error_responses() -> dict[str, Schema]:
    """Components: the answers, in both dialects."""
    responses: dict[str, Schema] = {}
    for status, error in _examples().items():
        name = NAMES[status]
        responses[name] = _response(status, "Error", error_body(error.status()), _SERIALISED)
        responses[f"OpenInference{name}"] = _response(
            status, "OpenInferenceError", {"error": message_of(error)}
        )
    return responses


def error_schemas() -> dict[str, Schema]:
    """Components: the bodies."""
    text = {"type": "string", "description": "A sentence for people."}
    return {
        "Error": _of("The answer to a request that failed.", {"error": _error()}),
        "OpenInferenceError": _of("The same, in the protocol's dialect.", {"error": text}),
    }


def _response(status: str, schema: str, example: Any, others: Schema | None = None) -> Schema:
    content = {"schema": {"$ref": f"#/components/schemas/{schema}"}, "example": example}
    return {
        "description": _TEXTS[status],
        "headers": REQUEST_ID | _HEADERS.get(status, {}),
        "content": {JSON: content} | (others or {}),
    }


def _examples() -> dict[str, ServingError]:
    """Failures as they happen, so that an example cannot differ from an answer."""
    return {
        "400": InvalidInput("features", "expected 4 (x, y, z, w), got 3"),
        "404": ModelNotFound("model: there is none named 'pinguins'; there is penguins"),
        "405": WrongVerb(["GET", "HEAD"]),
        "409": Conflict("label: 'canary' was changed meanwhile, read it again"),
        "413": TooLarge("body: larger than 25165824 bytes, the most that is taken"),
        "415": UnsupportedMediaType("Content-Type", "send application/json in UTF-8"),
        "429": _told_when("QUOTA", "the quota is used up, try again later"),
        "500": InternalError(),
        "501": Unsupported("path: /v2/trace/setting is not served here"),
        "503": _told_when("QUEUE_FULL", "1024 rows are waiting for this model, try again later"),
        "504": DeadlineExceeded("the deadline passed before the answer was ready"),
    }


def _told_when(reason: str, message: str) -> ServingError:
    """A refusal that says when to try again; without the jitter of a real one, which would make
    every process' document another."""
    info = error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN)
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromSeconds(1)
    status = status_pb2.Status(code=grpc.StatusCode.RESOURCE_EXHAUSTED.value[0], message=message)
    for detail in (info, retry):
        status.details.add().Pack(detail)
    return Relayed(status)


def _error() -> Schema:
    code = {"type": "integer", "description": "The HTTP status.", "minimum": 400, "maximum": 599}
    details = {
        "type": "array",
        "description": "More, for programs: google.rpc.ErrorInfo, BadRequest, RetryInfo.",
        "items": ANY_SCHEMA,
    }
    parts: dict[str, Schema] = {
        "code": code,
        "status": {"type": "string", "description": 'The gRPC code: "INVALID_ARGUMENT".'},
        "message": {"type": "string", "description": "A sentence for people."},
        "details": details,
    }
    return _of("What went wrong.", parts)


def _of(description: str, properties: dict[str, Schema]) -> Schema:
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "required": list(properties),
    }
