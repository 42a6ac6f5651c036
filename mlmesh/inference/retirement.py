"""How a version goes: nobody finds it any more, its callers end, its memory is free."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from mlmesh.inference.opening import Opener, give_memory_back
from mlmesh.inference.version import LoadedVersion

logger = logging.getLogger(__name__)


class Retirement:
    """drain_seconds: how long the callers of a version may go on. on_gone: told of each."""

    def __init__(
        self, opener: Opener, drain_seconds: float, on_gone: Callable[[LoadedVersion], None]
    ) -> None:
        self._opener = opener
        self._drain_seconds = drain_seconds
        self._on_gone = on_gone
        self._leaving: set[asyncio.Task[None]] = set()

    async def free(self, versions: Iterable[LoadedVersion | None]) -> None:
        """Free versions once nobody uses them; also when the caller of this goes away."""
        leaving = [self._task(one) for one in versions if one is not None]
        for task in leaving:
            await asyncio.shield(task)

    async def finished(self) -> None:
        """Wait until everything is free that was to be."""
        if self._leaving:
            await asyncio.wait(self._leaving)

    def _task(self, version: LoadedVersion) -> asyncio.Task[None]:
        task = asyncio.create_task(self._leave(version))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
        return task

    async def _leave(self, version: LoadedVersion) -> None:
        names = {"model": version.manifest.name, "version": version.manifest.version}
        try:
            async with asyncio.timeout(self._drain_seconds):
                await version.unused()
        except TimeoutError:
            logger.warning("model unloaded under calls", extra=names)
        await version.__aexit__(None, None, None)
        await self._opener.discard(version)
        await asyncio.to_thread(give_memory_back)
        self._on_gone(version)
        logger.info("model unloaded", extra=names)
