"""An item that waits for its turn, and who is told what came of it."""

from __future__ import annotations

import logging
from collections.abc import Hashable
from typing import Generic, TypeVar

from mlmesh.inference.stop import Stop
from mlmesh.runtime.done import Done
from mlmesh.runtime.tracing import CallSpan

logger = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")


class Running:
    """A batch that runs, for as long as somebody waits for one of its members."""

    __slots__ = ("_left", "_stop")

    def __init__(self, members: int, stop: Stop) -> None:
        self._left = members
        self._stop = stop

    def one_less(self) -> None:
        self._left -= 1
        if not self._left:
            self._stop.request()


class Waiting(Generic[Item, Result]):
    """Ordered by urgency: priority, then deadline, then arrival.

    size: rows. deadline, arrived: in seconds of time.monotonic(). done: told at once, in the turn
    of the event loop in which the answer comes; whoever waits among callbacks needs no future.
    """

    __slots__ = (
        "_done", "arrived", "deadline", "item", "key", "nbytes", "number", "over", "priority",
        "running", "size", "span",
    )  # fmt: skip

    def __init__(
        self,
        priority: int,
        deadline: float,
        number: int,
        item: Item,
        size: int,
        nbytes: int,
        key: Hashable,
        arrived: float,
        span: CallSpan | None,
        done: Done[Result],
    ) -> None:
        self.priority = priority
        self.deadline = deadline
        self.number = number
        self.item = item
        self.size = size
        self.nbytes = nbytes
        self.key = key
        self.arrived = arrived
        self.span = span
        self._done: Done[Result] | None = done
        self.over = False
        """Whether it was told."""
        self.running: Running | None = None
        """The batch that it runs in just now."""

    def __lt__(self, other: Waiting[Item, Result]) -> bool:
        if self.priority != other.priority:
            return self.priority < other.priority
        if self.deadline != other.deadline:
            return self.deadline < other.deadline
        return self.number < other.number

    def succeed(self, result: Result) -> None:
        self._tell(result, None)

    def fail(self, error: BaseException) -> None:
        self._tell(None, error)

    def _tell(self, result: Result | None, error: BaseException | None) -> None:
        if self.over:
            return
        self.over = True
        # Let go of: it may know whoever knows this.
        done, self._done = self._done, None
        try:
            if done is not None:
                done(result, error)
        except Exception as failure:
            # It is one caller's trouble; the others of the batch have to be told as well. Without
            # its message, which may repeat what the caller sent: no call is current here.
            failed = type(failure).__name__
            logger.error("what came of an item could not be told", extra={"failure": failed})
