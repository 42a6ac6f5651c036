"""A unary call that a server has begun: from its admission to its last entry in the books."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from mlmesh.runtime import rules
from mlmesh.runtime.admission import Gauge, Share
from mlmesh.runtime.books import Books, Refusal
from mlmesh.runtime.call import CURRENT, Call
from mlmesh.runtime.call_log import MODEL
from mlmesh.runtime.contracts import Method
from mlmesh.runtime.deadlines import Deadlines
from mlmesh.runtime.done import Done, GiveUp
from mlmesh.runtime.errors import DeadlineExceeded, InternalError
from mlmesh.runtime.parsing import parsed

logger = logging.getLogger(__name__)

Answer = Callable[[Any, Call], Awaitable[Message]]
"""What answers a unary rpc."""
Begin = Callable[[Any, Call, Done[Message]], GiveUp]
"""The same without a task: begins, and tells when it is done. What it raises was never begun."""
CheckBytes = Callable[[bytes], None]
NO_MODEL = ("", "")


@dataclass(frozen=True, slots=True)
class Unary:
    """A unary method and what answers it."""

    method: Method
    answer: Answer | None
    begin: Begin | None
    """Where there is one, `answer` is not needed."""
    check: CheckBytes
    refusal: Refusal


class UnaryCall:
    """One call of a method. done: told the answer, a ServingError, or that it was given up.

    It is told in the turn of the event loop in which the answer comes, perhaps before `begin` is
    left.
    """

    __slots__ = (
        "_books", "_deadlines", "_done", "_failure", "_give_up", "_model", "_places", "_served",
        "_share", "_started", "_tick", "call", "over",
    )  # fmt: skip

    def __init__(
        self,
        served: Unary,
        call: Call,
        places: Gauge,
        share: Share,
        deadlines: Deadlines[UnaryCall],
        books: Books,
        done: Done[Message],
    ) -> None:
        self._started = time.perf_counter()
        self._served = served
        self._places = places
        self._share = share
        self._deadlines = deadlines
        self._books = books
        self._done: Done[Message] | None = done
        self._tick = 0
        self._model = NO_MODEL
        self._give_up: GiveUp | None = None
        self._failure: BaseException | None = None
        """Why it ends, when that is decided before whoever answers has ended."""
        self.call = call.within(served.method.timeout)
        self.over = False

    def begin(self, request: bytes | Message) -> None:
        try:
            self._places.__enter__()
        except Exception as error:
            self._end(None, error)
            return
        try:
            self._share.__enter__()
        except Exception as error:
            self._places.__exit__()
            self._end(None, error)
            return
        try:
            self._begin(request)
        except Exception as error:
            self._finish(None, error)

    def give_up(self, reason: BaseException | None = None) -> None:
        """End it, for this reason; without one nobody waits any more."""
        if self.over or self._failure is not None:
            return
        self._failure = reason or asyncio.CancelledError()
        if self._give_up is not None:
            try:
                self._give_up()
            except Exception as error:
                # Others are given up in the same turn, at the same deadline.
                self._finish(None, error)

    def _begin(self, request: bytes | Message) -> None:
        served, call = self._served, self.call
        if call.remaining <= 0:
            raise DeadlineExceeded("the deadline had passed before the call began")
        message = request
        if isinstance(message, bytes):
            served.check(message)
            message = parsed(served.method, message)
        rules.check(message)
        # The method's own timeout is an end, too.
        self._tick = self._deadlines.add(self, call.deadline)
        current, model = CURRENT.set(call), MODEL.set(NO_MODEL)
        try:
            if served.begin is not None:
                give_up = served.begin(message, call, self._finish)
            else:
                give_up = self._answered_by_a_task(message)
            if not self.over:
                self._give_up = give_up
        finally:
            self._model = MODEL.get()
            CURRENT.reset(current)
            MODEL.reset(model)

    def _answered_by_a_task(self, message: Message) -> GiveUp:
        assert self._served.answer is not None
        context = contextvars.copy_context()
        answer: Any = self._served.answer(message, self.call)
        task: asyncio.Task[Message] = asyncio.get_running_loop().create_task(
            answer, context=context
        )

        def finish(task: asyncio.Task[Message]) -> None:
            self._model = context.get(MODEL, NO_MODEL)
            if task.cancelled():
                self._finish(None, asyncio.CancelledError())
            elif (error := task.exception()) is not None:
                self._finish(None, error)
            else:
                self._finish(task.result(), None)

        task.add_done_callback(finish)
        return task.cancel

    def _finish(self, message: Message | None, error: BaseException | None) -> None:
        if self.over:
            return
        if self._tick:
            self._deadlines.remove(self, self._tick)
        self._share.__exit__()
        self._places.__exit__()
        if isinstance(error, asyncio.CancelledError) and self._failure is not None:
            error = self._failure
        self._end(message, error)

    def _end(self, message: Message | None, error: BaseException | None) -> None:
        self.over = True
        told = self._written_down(error)
        # Let go of: they know this call, or whoever tells it.
        done, self._done, self._give_up, self._failure = self._done, None, None, None
        if done is not None:
            done(message if told is None else None, told)

    def _written_down(self, error: BaseException | None) -> BaseException | None:
        """What the caller is told of it."""
        served = self._served
        try:
            return self._books.close(
                served.method, self.call, self._started, error, served.refusal, self._model
            )
        except Exception:
            # Its caller waits all the same.
            said = {"request_id": self.call.request_id, "method": served.method.path}
            logger.exception("a call could not be written down", extra=said)
            return InternalError()


def expire(call: UnaryCall) -> None:
    call.give_up(DeadlineExceeded("the deadline passed before the answer was ready"))
