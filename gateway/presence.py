"""Work that only makes sense as long as the client is there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from gateway.request import Disconnected, Receive


@asynccontextmanager
async def while_connected(receive: Receive) -> AsyncIterator[None]:
    """Cancel what is inside when the client goes away; raises Disconnected then."""
    working = asyncio.current_task()
    assert working is not None
    gone = False

    async def listen() -> None:
        nonlocal gone
        while (await receive())["type"] != "http.disconnect":
            pass
        gone = True
        working.cancel()

    listening = asyncio.create_task(listen())
    try:
        yield
    except asyncio.CancelledError:
        if not gone:
            raise
        working.uncancel()
        raise Disconnected from None
    finally:
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening
