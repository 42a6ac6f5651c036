"""How whoever asked for something is told what came of it, without a task that waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar, cast

Result = TypeVar("Result")
Made = TypeVar("Made")
Done = Callable[[Result | None, BaseException | None], None]
"""Told once: the result, or why there is none; a CancelledError when it was given up."""
GiveUp = Callable[[], object]
"""Nobody waits for it any more."""


def settle(
    future: asyncio.Future[Result], result: Result | None, error: BaseException | None
) -> None:
    """Tells a future; one that was cancelled needs no answer."""
    if future.done():
        return
    if error is None:
        future.set_result(cast(Result, result))
    elif isinstance(error, asyncio.CancelledError):
        future.cancel()
    else:
        future.set_exception(error)


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
