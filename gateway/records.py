"""The input log: JSON lines that are on disk before anyone is told so.

Lines that arrive while a write is under way go to disk together in the next one.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson

from mlmesh.inference.batcher import Batcher, QueueLimits
from mlmesh.inference.stop import Stop
from mlmesh.runtime.errors import Unavailable

_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT
_PRIVATE = 0o600
"""Inputs may be personal: nobody but the owner reads them."""

LIMITS = QueueLimits(max_batch=512, max_waiting=8192)
"""Lines that are written at once, and that may wait."""


class InputLog:
    """Appends records to a file of bounded size; see `open_input_log`."""

    def __init__(self, batcher: Batcher[bytes, None]) -> None:
        self._batcher = batcher

    async def append(self, record: dict[str, Any]) -> None:
        """Come back when the record is on disk.

        Raises Unavailable when it cannot be written, Overloaded when too many wait to be.
        """
        await self._batcher.submit(orjson.dumps(record) + b"\n")


@asynccontextmanager
async def open_input_log(path: Path, max_bytes: int, max_files: int) -> AsyncIterator[InputLog]:
    """Append to `path`; at `max_bytes` set it aside as `<path>.1`, and so on up to `max_files`."""
    file = _File(path, max_bytes, max_files)

    async def write(lines: Sequence[bytes], stop: Stop) -> list[None]:
        # A line is written even when its caller has gone: it asked for that.
        try:
            await asyncio.to_thread(file.write, b"".join(lines))
        except OSError as error:
            raise Unavailable(f"the input log cannot be written: {error.strerror}") from error
        return [None] * len(lines)

    async with Batcher(write, limits=LIMITS) as batcher:
        yield InputLog(batcher)


class _File:
    """Opened for every write, so that an operator may move or remove it at any time."""

    def __init__(self, path: Path, max_bytes: int, max_files: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._max_files = max_files

    def write(self, lines: bytes) -> None:
        """Append whole lines and wait for the disk; after a failure nothing of them is left."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._path.exists() and self._path.stat().st_size + len(lines) > self._max_bytes:
            self._set_aside()
        with os.fdopen(os.open(self._path, _APPEND, _PRIVATE), "ab") as file:
            before = file.tell()
            try:
                file.write(lines)
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                # Half a line would spoil the next one.
                os.truncate(self._path, before)
                raise

    def _set_aside(self) -> None:
        for number in range(self._max_files - 1, 0, -1):
            older = self._numbered(number)
            if older.exists():
                older.replace(self._numbered(number + 1))
        self._path.replace(self._numbered(1))

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")
