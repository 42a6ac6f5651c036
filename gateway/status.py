"""The one table from gRPC statuses to HTTP, and the body of every error."""

from __future__ import annotations

import math
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2

from gateway.reply import writer_of
from mlmesh.runtime.errors import reason_of
from mlmesh.runtime.failure import CODE_BY_NUMBER

HTTP_STATUS = {
    grpc.StatusCode.OK: 200,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.UNKNOWN: 500,
    grpc.StatusCode.INTERNAL: 500,
    grpc.StatusCode.DATA_LOSS: 500,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}
HTTP_STATUS_BY_REASON = {
    "MESSAGE_TOO_LARGE": 413,
    "METHOD_NOT_ALLOWED": 405,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "QUEUE_FULL": 503,
    "HEADERS_TOO_LARGE": 431,
    "REQUEST_TIMEOUT": 408,
}
"""Where gRPC's own code would mislead an HTTP client."""

_write_status = writer_of(status_pb2.Status)


def http_status_of(status: status_pb2.Status) -> int:
    code = CODE_BY_NUMBER.get(status.code, grpc.StatusCode.UNKNOWN)
    return HTTP_STATUS_BY_REASON.get(reason_of(status), HTTP_STATUS[code])


def error_body(status: status_pb2.Status) -> dict[str, Any]:
    """`{"error": {code, status, message, details}}`; code is the HTTP status."""
    written: Any = _write_status(status)
    code = CODE_BY_NUMBER.get(status.code, grpc.StatusCode.UNKNOWN)
    return {
        "error": {
            "code": http_status_of(status),
            "status": code.name,
            "message": status.message,
            "details": written["details"],
        }
    }


def retry_after(status: status_pb2.Status) -> int | None:
    """Whole seconds for the Retry-After header, when the status says when to try again."""
    retry = error_details_pb2.RetryInfo()
    for detail in status.details:
        if detail.Unpack(retry):
            milliseconds: int = retry.retry_delay.ToMilliseconds()
            return max(1, math.ceil(milliseconds / 1000))
    return None
