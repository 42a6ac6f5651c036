"""What calls of a client can share messages, and how those leave."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any

import grpc

from mlmesh.runtime.call import Call, deadline_after, request_id_of
from mlmesh.runtime.client.answered import as_answered
from mlmesh.runtime.client.plain import Options, channel_options, open_aio
from mlmesh.runtime.client.tls import Tls
from mlmesh.runtime.coalescing.carrier import Carrier, open_carrier
from mlmesh.runtime.coalescing.options import Coalescing
from mlmesh.runtime.coalescing.target import Named, target_of
from mlmesh.runtime.contracts import Method

CARRIED_METADATA = frozenset({"x-request-id", "traceparent", "tracestate"})
"""What has a place of its own in a message."""
CARRY_SERVICE = "mlmesh.v1.MeshService"
Serializer = Callable[[Any], bytes]
Deserializer = Callable[[bytes], Any]


def as_it_is(message: Any) -> Any:
    """For callers that send and take bytes."""
    return message


@dataclass(frozen=True, slots=True)
class Coalesced:
    """Who is called so, and how."""

    target: str
    tls: Tls | None
    methods: tuple[Method, ...]
    options: Coalescing

    def carried_methods(self) -> Mapping[str, Method]:
        """By gRPC path."""
        return {
            method.path: method
            for method in self.methods
            if method.unary and method.service != CARRY_SERVICE
        }

    def open_carrier(self) -> AbstractAsyncContextManager[Carrier]:
        """Raises ValueError when the target is none."""
        # The carrier repeats calls itself, and every call has the deadline of its caller.
        options = [*channel_options(()), *self._name_to_check()]
        answering = replace(self.options, failure=as_answered)
        return open_carrier(
            self.target, answering, lambda address: open_aio(address, self.tls, options)
        )

    def _name_to_check(self) -> Options:
        """Certificates hold the name that was asked for, not the addresses that it has."""
        found = target_of(self.target)
        if self.tls is None or not isinstance(found, Named):
            return []
        return [("grpc.ssl_target_name_override", found.host)]


@dataclass(frozen=True, slots=True)
class CallOptions:
    """What a caller says beside the request."""

    timeout: float | None
    metadata: Any
    credentials: grpc.CallCredentials | None
    wait_for_ready: bool | None
    compression: grpc.Compression | None

    def __post_init__(self) -> None:
        if self.metadata:
            # It is looked at twice, and an iterator can be looked at only once.
            object.__setattr__(self, "metadata", tuple(self.metadata))

    def call_of(self, method: Method) -> Call | None:
        """The call as a message carries it; None when it has to go on its own."""
        if self.credentials or self.wait_for_ready or self.compression:
            return None
        timeout = method.timeout
        if self.timeout is not None and self.timeout < timeout:
            timeout = self.timeout
        deadline = deadline_after(timeout)
        if not self.metadata:
            return Call(request_id_of(""), deadline)
        told = {key.lower(): value for key, value in self.metadata}
        if not told.keys() <= CARRIED_METADATA:
            return None
        return Call(
            request_id_of(str(told.get("x-request-id", ""))),
            deadline,
            traceparent=str(told.get("traceparent", "")),
            tracestate=str(told.get("tracestate", "")),
        )

    def plainly(self) -> dict[str, Any]:
        """The same for a call of gRPC's own."""
        return {
            "timeout": self.timeout,
            "metadata": self.metadata,
            "credentials": self.credentials,
            "wait_for_ready": self.wait_for_ready,
            "compression": self.compression,
        }
