"""A unary call on its way, and the future of its answer in one."""

from __future__ import annotations

import asyncio
import math
from typing import Any, Protocol

import grpc

from mlmesh.runtime.answer import Answer
from mlmesh.runtime.call import Call
from mlmesh.runtime.contracts import Method
from mlmesh.runtime.errors import ServingError

CALL_WEIGHT = 4096
"""What a call weighs beside the bytes of its request."""


class Owner(Protocol):
    """Who looks after calls that are not answered yet."""

    def released(self, pending: PendingCall) -> None:
        """The call is answered, refused or given up."""

    def again(self, pending: PendingCall) -> bool:
        """Send a call once more, in a moment; False when that would do harm."""


class Holder(Protocol):
    """What a call was given to."""

    def let_go(self, pending: PendingCall) -> None:
        """Nobody waits any more for a call, or it has been answered."""


class PendingCall(asyncio.Future[Answer]):
    """Cancel it to give the call up."""

    __slots__ = (
        "attempts", "call", "holder", "message", "method", "number", "owner", "request", "tick",
        "weight",
    )  # fmt: skip

    def __init__(self, owner: Owner, method: Method, request: bytes, call: Call) -> None:
        super().__init__()
        self.owner = owner
        self.method = method
        self.request = request
        self.call = call
        self.weight = CALL_WEIGHT + len(request)
        self.attempts = 0
        """How often it was sent."""
        self.holder: Holder | None = None
        self.number = 0
        """Its id on the stream that carries it; 0 while it waits."""
        self.message = 0
        """The number of the message that carries it."""
        self.tick = 0

    @property
    def expires(self) -> bool:
        return self.call.deadline < math.inf

    def answer(self, answer: Answer) -> None:
        if not self.done():
            self._release()
            self.set_result(answer)

    def failed(self, error: ServingError) -> None:
        """The service said so. One that is not there just now is asked again, if it may be."""
        if self.done() or (error.code is grpc.StatusCode.UNAVAILABLE and self.owner.again(self)):
            return
        self.refuse(error)

    def refuse(self, error: ServingError) -> None:
        if not self.done():
            self._release()
            self.set_exception(error)

    def cancel(self, msg: Any = None) -> bool:
        if self.done():
            return False
        self._release()
        return super().cancel(msg)

    def note_again(self) -> None:
        """Let the call's trace, if it has one, say that it is sent once more."""
        if self.call.span is not None:
            self.call.span.note("sent again", attempt=self.attempts)

    def withdraw(self) -> None:
        """Take the call from whoever has it."""
        if self.holder is not None:
            self.holder.let_go(self)
            self.holder = None

    def _release(self) -> None:
        self.withdraw()
        self.owner.released(self)
