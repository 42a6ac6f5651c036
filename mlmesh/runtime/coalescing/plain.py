"""A call as a gRPC call of its own."""

from __future__ import annotations

from typing import Any

import grpc

from mlmesh.runtime.answer import Answer
from mlmesh.runtime.call import Call
from mlmesh.runtime.coalescing.options import FailureOf
from mlmesh.runtime.coalescing.pending import PendingCall
from mlmesh.runtime.errors import DeadlineExceeded
from mlmesh.runtime.failure import was_not_answered
from mlmesh.runtime.hop import hop_seconds


async def send_plain(channel: grpc.aio.Channel, pending: PendingCall, failure: FailureOf) -> Answer:
    """Raises `failure` when the service refuses, AioRpcError when it could not be asked."""
    call, method = pending.call, pending.method
    unary: Any = channel.unary_unary(method.path)
    try:
        response: bytes = await unary(
            pending.request, timeout=time_for(call), metadata=metadata_of(call)
        )
    except grpc.aio.AioRpcError as error:
        if was_not_answered(error):
            raise
        raise failure(method, error) from None
    return Answer(response)


def time_for(call: Call) -> float | None:
    """What a service gets of a call's time. Raises DeadlineExceeded when nothing is left."""
    left = call.remaining
    if left <= 0:
        raise DeadlineExceeded("the deadline passed before the call could be sent on")
    return hop_seconds(left) if left < 1e9 else None


def metadata_of(call: Call) -> tuple[tuple[str, str], ...]:
    own = (
        ("x-request-id", call.request_id),
        ("traceparent", call.traceparent),
        ("tracestate", call.tracestate),
    )
    return (*(told for told in own if told[1]), *call.routing)
