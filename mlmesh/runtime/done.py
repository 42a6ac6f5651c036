"""How whoever asked for something is told what came of it, without a task that waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar, cast

Result = TypeVar("Result")
Made = TypeVar("Made")
Done = Callable[[Result | None, BaseException | None], None]
"""Told once: the result, or why there is none; a CancelledError when it was given up."""
GiveUp = Callable[[], object]
"""Nobody waits for it any more."""


class Awaited(Generic[Result]):
    """For those who wait all the same: `tell` is a Done, `get` what it was told.

    Not a future, for that keeps what it raises, which knows the frames that know the future: with
    the request in one of them, refusals would be garbage in cycles.
    """

    __slots__ = ("_error", "_result", "_told")

    def __init__(self) -> None:
        self._told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._result: Result | None = None
        self._error: BaseException | None = None

    def tell(self, result: Result | None, error: BaseException | None) -> None:
        # One that was cancelled needs no answer.
        if not self._told.done():
            self._result, self._error = result, error
            self._told.set_result(None)

    async def get(self) -> Result:
        """Wait for the result, once; raises the error."""
        await self._told
        result, error = self._result, self._error
        self._result = self._error = None
        try:
            if error is not None:
                raise error
            return cast(Result, result)
        finally:
            del error


def then(make: Callable[[Result], Made], done: Done[Made]) -> Done[Result]:
    """Tells `done` what is made of a result, or what went wrong before or in the making."""

    def told(result: Result | None, error: BaseException | None) -> None:
        made = None
        if error is None:
            try:
                made = make(cast(Result, result))
            except Exception as failure:
                error = failure
        done(made, error)

    return told
