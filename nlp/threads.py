"""Work on texts beside the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

INLINE_CHARACTERS = 1024
"""Up to here work on a text is shorter than the way to a thread and back, about."""

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


async def beside(
    characters: int,
    act: Callable[Arguments, Result],
    *arguments: Arguments.args,
    **named: Arguments.kwargs,
) -> Result:
    """Call `act`, in a thread if it works on so many characters that the loop would stand still."""
    if characters <= INLINE_CHARACTERS:
        return act(*arguments, **named)
    return await asyncio.to_thread(act, *arguments, **named)
