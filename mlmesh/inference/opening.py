"""From a repository's folder to versions that are warm: copied, checked, tried apart, opened."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from mlmesh.inference.loading import open_version
from mlmesh.inference.metrics import InferenceMetrics
from mlmesh.inference.options import HostOptions, VersionOptions
from mlmesh.inference.trial import Candidate, try_versions
from mlmesh.inference.version import LoadedVersion
from mlmesh.registry.manifest import Manifest
from mlmesh.registry.private_copy import copy_verified
from mlmesh.registry.store import StoredVersion

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

NICENESS = 10
"""Of threads that load: the models that serve go first."""
MOST_TRIALS = 4
"""Processes that try versions at once."""


@dataclass(frozen=True, slots=True)
class Copied:
    """A version whose files are checked and lie where nobody else can change them."""

    stored: StoredVersion
    folder: Path
    manifest: Manifest
    began: float
    """When copying began, in seconds of time.monotonic()."""


class Opener:
    """scratch: a folder of our own for the private copies."""

    def __init__(self, options: HostOptions, scratch: Path, metrics: InferenceMetrics) -> None:
        self._options = options
        self._scratch = scratch
        self._metrics = metrics
        self._count = 0
        # Trials take a process and memory each; one that never ends must not hold up the others.
        self._trials = asyncio.Semaphore(MOST_TRIALS)

    async def copy(self, stored: StoredVersion) -> Copied:
        """Make the private copy; raises BadVersion."""
        began = time.monotonic()
        self._count += 1
        folder = self._scratch / f"{self._count}-{stored.model}-{stored.version}"
        options = self._options
        try:
            manifest = await _in_background(
                lambda: copy_verified(stored, folder, options.trust, max_bytes=options.max_bytes)
            )
        except asyncio.CancelledError:
            await _remove(folder)
            raise
        return Copied(stored, folder, manifest, began)

    async def tried(self, copies: Sequence[Copied]) -> list[str]:
        """Why each version cannot be loaded; empty where it can, or is not tried."""
        if self._options.trial is None or not copies:
            return [""] * len(copies)
        candidates = [Candidate(c.folder, self._options.of(c.stored.model)) for c in copies]
        async with self._trials:
            return await try_versions(candidates, self._options.trial)

    async def open(self, copied: Copied) -> LoadedVersion:
        """Open it here, warm; raises BadVersion or BadGraph. The caller enters and leaves it."""
        started = time.perf_counter()
        stored, manifest = copied.stored, copied.manifest
        options = self._options.of(stored.model)
        opened = await _in_background(
            lambda: open_version(copied.folder, manifest, options),
            gives_way=not _has_threads(options),
        )
        version = LoadedVersion(manifest, copied.folder, opened, options, self._metrics)
        logger.info(
            "model loaded",
            extra={
                "model": stored.model,
                "version": stored.version,
                "provider": version.provider,
                "arithmetic": version.arithmetic,
                "instances": ", ".join(version.devices),
                "threads": options.session.threads,
                "seconds": round(time.perf_counter() - started, 3),
            },
        )
        return version

    async def discard(self, copied: Copied | LoadedVersion) -> None:
        """Remove a private copy that is not needed any more."""
        await _remove(copied.folder)


async def _remove(folder: Path) -> None:
    # Freeing gigabytes takes a file system longer than callers should wait.
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _has_threads(options: VersionOptions) -> bool:
    """Whether a session starts threads that go on to serve: they keep the niceness of the one that
    opened it."""
    session = options.session
    on_cuda = any(device.kind == "cuda" for device in options.devices)
    return on_cuda or session.threads > 1 or session.inter_op_threads > 1


async def _in_background(act: Callable[[], Result], *, gives_way: bool = True) -> Result:
    """Call `act` on a thread of its own, by default one that gives way to those that serve.

    When the caller is cancelled, that is passed on once `act` has ended, for it cannot be stopped:
    nothing of it goes on behind the back of what comes next.
    """
    thread = ThreadPoolExecutor(1, "loading", initializer=_give_way if gives_way else None)
    work = asyncio.get_running_loop().run_in_executor(thread, act)
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        raise
    finally:
        thread.shutdown(wait=False)


def _give_way() -> None:
    # On Linux a thread has a niceness of its own; elsewhere it would be the whole process's.
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, 0, NICENESS)


def give_memory_back() -> None:
    """Hand freed memory to the system: glibc keeps what a model took for the next one."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
