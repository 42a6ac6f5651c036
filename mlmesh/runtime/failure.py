"""What a caller is told of a call to another process that failed."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

import grpc
from google.protobuf.message import DecodeError
from google.rpc import status_pb2

from mlmesh.runtime.contracts import Method
from mlmesh.runtime.errors import (
    Cancelled,
    DeadlineExceeded,
    InternalError,
    ServingError,
    TooLarge,
    Unavailable,
    Unsupported,
)

DETAILS = "grpc-status-details-bin"
CODE_BY_NUMBER = {code.value[0]: code for code in grpc.StatusCode}

# What these say comes from the service's own code and is meant for the caller; the words of other
# failures come from gRPC itself and name addresses.
_FOR_CALLERS = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.ABORTED,
}


class Relayed(ServingError):
    """A failure that a service answered with, to be passed on as it is."""

    reason = "RELAYED"

    def __init__(self, status: status_pb2.Status) -> None:
        super().__init__(status.message)
        self.code = CODE_BY_NUMBER.get(status.code, grpc.StatusCode.UNKNOWN)  # type: ignore[misc]
        self._status = status

    def status(self) -> status_pb2.Status:
        return self._status


def failure_of(method: Method, error: grpc.aio.AioRpcError) -> ServingError:
    """What the caller is told of a plain call that failed."""
    status = _status_in(error.trailing_metadata() or ())
    if status is not None:
        return Relayed(status)
    code = error.code()
    if code in _FOR_CALLERS:
        return Relayed(status_pb2.Status(code=code.value[0], message=error.details()))
    if code is grpc.StatusCode.UNAVAILABLE:
        return not_available(method)
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return DeadlineExceeded("the deadline passed before the answer was ready")
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return TooLarge(f"the message is larger than {method.service} or the gateway takes")
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return Unsupported(f"{method.service} does not have {method.name}")
    if code is grpc.StatusCode.CANCELLED:
        return Cancelled("the call was cancelled")
    return InternalError()


def not_available(method: Method) -> Unavailable:
    """Nobody that answers the method is there."""
    return Unavailable(f"{method.service} is not available just now, try again")


def was_not_answered(error: grpc.aio.AioRpcError) -> bool:
    """Whether the connection failed, and not the service: it always gives details."""
    gone = error.code() is grpc.StatusCode.UNAVAILABLE
    return gone and _status_in(error.trailing_metadata() or ()) is None


def _status_in(metadata: Iterable[tuple[str, str | bytes]]) -> status_pb2.Status | None:
    for key, value in metadata:
        if key == DETAILS and isinstance(value, bytes):
            with suppress(DecodeError):
                return status_pb2.Status.FromString(value)
    return None
