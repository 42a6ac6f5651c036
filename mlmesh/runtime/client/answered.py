"""How a carried call that failed looks to who used a stub."""

from __future__ import annotations

from typing import Any

import grpc
from google.rpc import status_pb2

from mlmesh.runtime.call import Call
from mlmesh.runtime.coalescing.closed import Closed
from mlmesh.runtime.contracts import Method
from mlmesh.runtime.errors import ServingError
from mlmesh.runtime.failure import DETAILS

Trailing = tuple[tuple[str, str | bytes], ...]
CLOSED, CANCELLED = "Channel closed!", "Locally cancelled by application!"
"""As gRPC's own channels say it."""


class AsAnswered(ServingError):
    """A failure of a call that went on its own, kept as gRPC told it."""

    reason = "AS_ANSWERED"

    def __init__(self, error: grpc.aio.AioRpcError) -> None:
        super().__init__(error.details() or "")
        self.code = error.code()  # type: ignore[misc]
        self.trailing: Trailing = tuple(error.trailing_metadata() or ())

    def status(self) -> status_pb2.Status:
        return status_pb2.Status(code=self.code.value[0], message=self.message)


def as_answered(method: Method, error: grpc.aio.AioRpcError) -> ServingError:
    return AsAnswered(error)


class CallFailed(grpc.RpcError, grpc.Call):
    """What a call by a plain stub raises."""

    def __init__(self, code: grpc.StatusCode, details: str, trailing: Trailing) -> None:
        super().__init__(f"{code.name}: {details}")
        self._code = code
        self._details = details
        self._trailing = trailing

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._details

    def initial_metadata(self) -> Any:
        return ()

    def trailing_metadata(self) -> Any:
        return self._trailing

    def add_callback(self, callback: Any) -> bool:
        return False

    def cancel(self) -> bool:
        return False

    def is_active(self) -> bool:
        return False

    def time_remaining(self) -> float:
        return 0.0


def sync_failure(error: ServingError, call: Call) -> CallFailed:
    if isinstance(error, Closed):
        return CallFailed(grpc.StatusCode.CANCELLED, CLOSED, ())
    return CallFailed(error.code, error.message, trailing_of(error, call))


def aio_failure(error: ServingError, call: Call) -> grpc.aio.AioRpcError:
    trailing = grpc.aio.Metadata(*trailing_of(error, call))
    return grpc.aio.AioRpcError(error.code, grpc.aio.Metadata(), trailing, error.message)


def trailing_of(error: ServingError, call: Call) -> Trailing:
    """The same that a plain call ends with."""
    if isinstance(error, AsAnswered):
        return error.trailing
    return (
        ("x-request-id", call.request_id),
        (DETAILS, error.status().SerializeToString()),
    )
