"""Failures that a caller may see.

* ServingError
  * InvalidInput       INVALID_ARGUMENT
    * UnsupportedMediaType
  * NotFound           NOT_FOUND
    * ModelNotFound
  * Conflict           ALREADY_EXISTS
  * Precondition       FAILED_PRECONDITION
  * Overloaded         RESOURCE_EXHAUSTED, with the time after which to try again
  * TooLarge           RESOURCE_EXHAUSTED
  * DeadlineExceeded   DEADLINE_EXCEEDED
  * Cancelled          CANCELLED
  * Unavailable        UNAVAILABLE
  * Unsupported        UNIMPLEMENTED
  * InternalError      INTERNAL, says nothing of what happened

Each carries google.rpc details: ErrorInfo always, BadRequest when a field is to blame, RetryInfo
when trying again later helps.
"""

from __future__ import annotations

import random
from typing import ClassVar

import grpc
from google.protobuf.any_pb2 import Any
from google.rpc import error_details_pb2, status_pb2

DOMAIN = "mlmesh"


class ServingError(Exception):
    """A refusal whose message is written for the caller."""

    code: ClassVar[grpc.StatusCode]
    reason: ClassVar[str]

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def status(self) -> status_pb2.Status:
        """This failure as it goes over the wire."""
        details = [_packed(error_details_pb2.ErrorInfo(reason=self.reason, domain=DOMAIN))]
        details.extend(_packed(detail) for detail in self._details())
        return status_pb2.Status(code=self.code.value[0], message=self.message, details=details)

    def _details(self) -> list[error_details_pb2.BadRequest | error_details_pb2.RetryInfo]:
        return []


class InvalidInput(ServingError):
    """A field of the request is wrong: `InvalidInput("rows[3]", "expected 4 features, got 3")`."""

    code = grpc.StatusCode.INVALID_ARGUMENT
    reason = "INVALID_INPUT"

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}" if field else problem)
        self.field = field
        self.problem = problem

    def below(self, parent: str) -> InvalidInput:
        """The same problem, seen from a message that holds the field's message as `parent`."""
        return InvalidInput(f"{parent}.{self.field}" if self.field else parent, self.problem)

    def _details(self) -> list[error_details_pb2.BadRequest | error_details_pb2.RetryInfo]:
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=self.field, description=self.problem
        )
        return [error_details_pb2.BadRequest(field_violations=[violation])]


class UnsupportedMediaType(InvalidInput):
    """What was sent is of a kind that is not taken; the problem says which kinds are."""

    reason = "UNSUPPORTED_MEDIA_TYPE"


class NotFound(ServingError):
    code = grpc.StatusCode.NOT_FOUND
    reason = "NOT_FOUND"


class ModelNotFound(NotFound):
    reason = "MODEL_NOT_FOUND"


class Conflict(ServingError):
    code = grpc.StatusCode.ALREADY_EXISTS
    reason = "ALREADY_EXISTS"


class Precondition(ServingError):
    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = "FAILED_PRECONDITION"


class Overloaded(ServingError):
    """A queue is full; try again after `retry_after` seconds."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    reason = "QUEUE_FULL"

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        # Callers that were refused together must not come back together.
        self.retry_after = retry_after * random.uniform(1, 2)

    def _details(self) -> list[error_details_pb2.BadRequest | error_details_pb2.RetryInfo]:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(int(self.retry_after * 1000))
        return [retry]


class TooLarge(ServingError):
    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    reason = "MESSAGE_TOO_LARGE"


class DeadlineExceeded(ServingError):
    code = grpc.StatusCode.DEADLINE_EXCEEDED
    reason = "DEADLINE_EXCEEDED"


class Cancelled(ServingError):
    code = grpc.StatusCode.CANCELLED
    reason = "CANCELLED"


class Unavailable(ServingError):
    code = grpc.StatusCode.UNAVAILABLE
    reason = "UNAVAILABLE"


class Unsupported(ServingError):
    code = grpc.StatusCode.UNIMPLEMENTED
    reason = "UNIMPLEMENTED"


class InternalError(ServingError):
    code = grpc.StatusCode.INTERNAL
    reason = "INTERNAL"

    def __init__(self) -> None:
        super().__init__("internal error")


def reason_of(status: status_pb2.Status) -> str:
    """The ErrorInfo reason of a status, or "" when it has none."""
    info = error_details_pb2.ErrorInfo()
    for detail in status.details:
        if detail.Unpack(info):
            return str(info.reason)
    return ""


def _packed(
    detail: error_details_pb2.ErrorInfo
    | error_details_pb2.BadRequest
    | error_details_pb2.RetryInfo,
) -> Any:
    packed = Any()
    packed.Pack(detail)
    return packed
