"""Work on texts beside the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

INLINE_CHARACTERS = 1024
"""Up to here work on a text is shorter than the way to a thread and back, about."""
LARGE_CHARACTERS = 32_768
"""From here on it takes so long that texts wait for their turn."""

_large = ThreadPoolExecutor(1, thread_name_prefix="large-texts")
"""One at a time: each holds the interpreter, several would leave the event loop little of it."""

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
    if characters < LARGE_CHARACTERS:
        return await asyncio.to_thread(act, *arguments, **named)
    work = partial(act, *arguments, **named)
    return await asyncio.get_running_loop().run_in_executor(_large, work)
