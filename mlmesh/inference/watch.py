"""Notices what is new, changed or gone in the model repositories, without being told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from mlmesh.inference.host import Host

logger = logging.getLogger(__name__)


@asynccontextmanager
async def watching(host: Host, seconds: float) -> AsyncIterator[None]:
    """Look every `seconds` inside the block; 0 does not look at all."""
    if not seconds:
        yield
        return
    task = asyncio.create_task(_watch(host, seconds))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _watch(host: Host, seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await host.follow()
        except Exception:
            # Without this task nothing would be noticed any more.
            logger.exception("looking at the model repositories failed")
