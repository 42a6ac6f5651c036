"""Work that would hold up the event loop is done in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

LARGE_BYTES = 65_536
"""From here on, JSON is read and written in a thread, so that the loop turns meanwhile."""

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


async def beside(
    large: bytes,
    act: Callable[Arguments, Result],
    *arguments: Arguments.args,
    **named: Arguments.kwargs,
) -> Result:
    """Call `act`, in a thread if what it works on is large."""
    return await beside_if(len(large) >= LARGE_BYTES, act, *arguments, **named)


async def beside_if(
    heavy: bool,
    act: Callable[Arguments, Result],
    *arguments: Arguments.args,
    **named: Arguments.kwargs,
) -> Result:
    """Call `act`, in a thread if it takes long."""
    if heavy:
        return await asyncio.to_thread(act, *arguments, **named)
    return act(*arguments, **named)
