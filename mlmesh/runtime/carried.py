"""One carried call, from its message to its reply."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from google.protobuf.message import Message
from google.rpc import status_pb2

from mlmesh.runtime.call import Call, deadline_after, request_id_of, tracestate_of
from mlmesh.runtime.chain import Chain
from mlmesh.runtime.errors import InternalError, InvalidInput, ServingError, TooLarge, Unavailable
from mlmesh.runtime.frames import MAX_MESSAGE_BYTES
from mlmesh.runtime.measured import MEASURED, Measured
from mlmesh.runtime.unary_call import UnaryCall
from mlmesh.v1 import mesh_pb2 as pb

REPLY_ROOM = 64 * 2**10
"""What may stand around a response in a message, and more."""


class Carried:
    """One carried call; `put` gets it and its reply, perhaps before it is wholly begun."""

    __slots__ = ("_begun", "_carried", "_measured", "_put")

    def __init__(self, carried: pb.Call, put: Callable[[Carried, pb.Reply], None]) -> None:
        self._carried = carried
        self._put = put
        self._measured = Measured()
        self._begun: UnaryCall | None = None

    def begin(self, chain: Chain, outer: Call) -> None:
        carried = self._carried
        if carried.method.startswith("/mlmesh.v1.MeshService/"):
            # A message that carries itself would multiply its cost at every level.
            self._done(None, InvalidInput("method", "cannot be carried"))
            return
        token = MEASURED.set(self._measured)
        try:
            call = _call_of(carried, outer)
            self._begun = chain.begin(carried.method, carried.request, call, self._done)
        except ServingError as error:
            self._done(None, error)
        finally:
            MEASURED.reset(token)

    def give_up(self) -> None:
        if self._begun is not None:
            self._begun.give_up()

    def _done(self, message: Message | None, error: BaseException | None) -> None:
        if message is not None:
            try:
                reply = _answer(self._carried, message, self._measured)
            except Exception as failure:
                message, error = None, failure
        if message is None:
            reply = failed_reply(self._carried.id, _status_of(error))
        self._put(self, reply)


def _answer(carried: pb.Call, message: Message, measured: Measured) -> pb.Reply:
    response = message.SerializeToString()
    if len(response) > MAX_MESSAGE_BYTES - REPLY_ROOM:
        # It would end the stream, and with it all of its neighbours.
        service = carried.method[1:].partition("/")[0]
        too_large = TooLarge(f"the message is larger than {service} or the gateway takes")
        return failed_reply(carried.id, too_large.status())
    return pb.Reply(
        id=carried.id,
        response=response,
        queue_us=measured.queue // 1000,
        batch_us=measured.batch // 1000,
        compute_us=measured.compute // 1000,
    )


def _status_of(error: BaseException | None) -> status_pb2.Status:
    if isinstance(error, ServingError):
        return error.status()
    if isinstance(error, asyncio.CancelledError):
        return Unavailable("the server gave the call up, try again").status()
    return InternalError().status()


def failed_reply(call_id: int, status: status_pb2.Status) -> pb.Reply:
    return pb.Reply(id=call_id, status=status)


def _call_of(carried: pb.Call, outer: Call) -> Call:
    """The carried call's own context; it never outlives the message or stream that carries it."""
    asked = deadline_after(carried.timeout_us / 1e6 if carried.timeout_us else None)
    return Call(
        request_id=request_id_of(carried.request_id),
        deadline=min(asked, outer.deadline),
        traceparent=carried.traceparent,
        tracestate=tracestate_of(carried.tracestate),
        priority=carried.priority,
        principal=carried.principal,
        attempt=carried.attempt,
    )
