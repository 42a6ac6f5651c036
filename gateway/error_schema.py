"""What an OpenAPI document says of failures: texts, headers and an example for every status."""

from __future__ import annotations

from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2

from gateway.open_inference.refusal import message_of
from gateway.origin import ForeignOrigin
from gateway.protocol import HeadTooLarge, HeadTooSlow
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
    "403": "Forbidden",
    "404": "NotFound",
    "405": "MethodNotAllowed",
    "408": "RequestTimeout",
    "409": "Conflict",
    "413": "ContentTooLarge",
    "415": "UnsupportedMediaType",
    "429": "TooManyRequests",
    "431": "HeadersTooLarge",
    "500": "InternalServerError",
    "501": "NotImplemented",
    "503": "ServiceUnavailable",
    "504": "GatewayTimeout",
}
_EARLY = ("408", "431")
"""Of requests whose headers cannot be read: nobody knows what and who they are for."""
_ONLY_SOCKETS = ("403",)
_ALL = {status: {"$ref": f"#/components/responses/{name}"} for status, name in NAMES.items()}
ERRORS = {status: error for status, error in _ALL.items() if status not in _ONLY_SOCKETS}
"""The answers to failed requests, of every operation that a contract describes."""
SOCKET_ERRORS = {status: _ALL[status] for status in _ONLY_SOCKETS}
"""More of them, to handshakes."""
EARLY_ERRORS = {status: _ALL[status] for status in _EARLY}
"""Those of every path."""
OPEN_INFERENCE_ERRORS = {
    status: error
    if status in _EARLY
    else {"$ref": f"#/components/responses/OpenInference{NAMES[status]}"}
    for status, error in ERRORS.items()
}
"""The same in the Open Inference Protocol's dialect."""

REQUEST_ID: Schema = {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}}
SERVER_TIMING: Schema = {"Server-Timing": {"$ref": "#/components/headers/ServerTiming"}}

# A google.rpc.Status; without a schema, a media type is bytes.
_SERIALISED: Schema = {PROTOBUF: {}}
_TEXTS = {
    "400": "The request is wrong; the message begins with the field that is to blame.",
    "403": "Pages of this origin may not open WebSockets here.",
    "404": "There is no such path, model or version.",
    "405": "The path is there, but not for this HTTP method.",
    "408": "The headers did not arrive in time.",
    "409": "What is to be made is there already, or something else changed it meanwhile.",
    "413": "The request is larger than allowed.",
    "415": "The body has a media type that is not understood.",
    "429": "The caller's quota is used up.",
    "431": "The headers are larger than allowed.",
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
        "ServerTiming": {
            "description": (
                "Milliseconds in the model's queue, in putting batches together, in the model and "
                "in the gateway: queue;dur=0.1, batch;dur=0.1, compute;dur=0.1, gateway;dur=0.1."
            ),
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
        name, body = NAMES[status], error_body(error.status())
        if status in _EARLY:
            responses[name] = _response(status, "Error", body, headers={})
            continue
        responses[name] = _response(status, "Error", body, _SERIALISED)
        if status in _ONLY_SOCKETS:
            continue
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


def _response(
    status: str,
    schema: str,
    example: Any,
    others: Schema | None = None,
    headers: Schema = REQUEST_ID,
) -> Schema:
    content = {"schema": {"$ref": f"#/components/schemas/{schema}"}, "example": example}
    return {
        "description": _TEXTS[status],
        "headers": headers | _HEADERS.get(status, {}),
        "content": {JSON: content} | (others or {}),
    }


def _examples() -> dict[str, ServingError]:
    """Failures as they happen, so that an example cannot differ from an answer."""
    return {
        "400": InvalidInput("features", "expected 4 (x, y, z, w), got 3"),
        "403": ForeignOrigin("Origin: pages of this origin may not open WebSockets here"),
        "404": ModelNotFound("model: there is none named 'pinguins'; there is penguins"),
        "405": WrongVerb(["GET", "HEAD"]),
        "408": HeadTooSlow("headers: they did not arrive within 10 s"),
        "409": Conflict("label: 'canary' was changed meanwhile, read it again"),
        "413": TooLarge("body: larger than 25165824 bytes, the most that is taken"),
        "415": UnsupportedMediaType("Content-Type", "send application/json in UTF-8"),
        "429": _told_when("QUOTA", "the quota is used up, try again later"),
        "431": HeadTooLarge("headers: larger than 65536 bytes, the most taken"),
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
