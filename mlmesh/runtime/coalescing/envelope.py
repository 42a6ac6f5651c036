"""What stands around a call and its reply in a message."""

from __future__ import annotations

from mlmesh.runtime.answer import Answer
from mlmesh.runtime.coalescing.pending import PendingCall
from mlmesh.runtime.failure import Relayed
from mlmesh.runtime.hop import hop_seconds
from mlmesh.v1 import mesh_pb2 as pb

CALL_BYTES = 512
"""What may stand around a request."""
FOREVER_SECONDS = 1e9


def add_call(message: pb.CarryRequest, number: int, pending: PendingCall, left: float) -> None:
    """left: seconds of its time; the next process gets a little less."""
    call = pending.call
    pending.attempts += 1
    message.calls.add(
        id=number,
        method=pending.method.path,
        request=pending.request,
        timeout_us=int(hop_seconds(left) * 1e6) if left < FOREVER_SECONDS else 0,
        request_id=call.request_id,
        traceparent=call.traceparent,
        tracestate=call.tracestate,
        priority=call.priority,
        principal=call.principal,
        attempt=pending.attempts - 1,
    )


def settle(pending: PendingCall, reply: pb.Reply) -> None:
    """Tell the caller what was replied."""
    if reply.HasField("status") and reply.status.code:
        pending.failed(Relayed(reply.status))
    else:
        pending.answer(Answer(reply.response, reply.queue_us, reply.batch_us, reply.compute_us))
