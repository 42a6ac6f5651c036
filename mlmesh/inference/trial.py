"""Loads versions in a child process first, so that a bad model file can harm nobody else.

A graph can crash its process, never end or ask for all of the memory. The child may do all that: it
has limits, and what it says or how it ends decides which versions the server loads itself.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import threading
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from mlmesh.inference.loading import load
from mlmesh.inference.provider import CUDA
from mlmesh.inference.session import BadGraph, SessionOptions
from mlmesh.registry.store import BadVersion, StoredVersion


@dataclass(frozen=True, slots=True)
class TrialLimits:
    """What loading and warming up one version may take."""

    seconds: float = 60.0
    memory_bytes: int = 8 * 2**30
    """Address space of the child; not limited on CUDA, which reserves far more than it uses."""


async def try_versions(
    versions: Sequence[StoredVersion], options: SessionOptions, max_batch: int, limits: TrialLimits
) -> list[str]:
    """Why each version cannot be loaded; empty where it can.

    One child tries them in turn. When a version takes it down, a new one goes on with the next.
    """
    reasons: list[str] = []
    while len(reasons) < len(versions):
        async with _running_child(versions[len(reasons) :], options, max_batch, limits) as child:
            assert child.stdout is not None
            while len(reasons) < len(versions):
                try:
                    line = await asyncio.wait_for(child.stdout.readline(), limits.seconds)
                except TimeoutError:
                    reasons.append(f"loading and warm-up took more than {limits.seconds:g} s")
                    break
                if not line.endswith(b"\n"):
                    reasons.append(_end_of(await child.wait()))
                    break
                reasons.append(json.loads(line))
    return reasons


@asynccontextmanager
async def _running_child(
    versions: Sequence[StoredVersion], options: SessionOptions, max_batch: int, limits: TrialLimits
) -> AsyncIterator[asyncio.subprocess.Process]:
    order = {
        "versions": [{**asdict(stored), "folder": str(stored.folder)} for stored in versions],
        "options": asdict(options),
        "max_batch": max_batch,
        "memory_bytes": None if CUDA in options.providers else limits.memory_bytes,
    }
    command = (sys.executable, "-m", "mlmesh.inference.trial", json.dumps(order))
    child = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL)
    try:
        yield child
    finally:
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()


def _end_of(code: int) -> str:
    how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
    return f"the process that tried to load it {how}; it may need more memory than is allowed"


def main(order: str) -> None:
    """In the child: print a JSON line for every version, "" or the reason against it."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    said = json.loads(order)
    if said["memory_bytes"] is not None:
        resource.setrlimit(resource.RLIMIT_AS, (said["memory_bytes"],) * 2)
    options = SessionOptions(**said["options"])
    for version in said["versions"]:
        stored = StoredVersion(**{**version, "folder": Path(version["folder"])})
        print(json.dumps(_reason_against(stored, options, said["max_batch"])), flush=True)


def _end_with_parent() -> None:
    """The parent holds the other end of stdin, and nothing is ever written to it."""
    sys.stdin.read()
    os._exit(1)


def _reason_against(stored: StoredVersion, options: SessionOptions, max_batch: int) -> str:
    try:
        load(stored, options, max_batch)
    except (BadVersion, BadGraph) as error:
        return str(error)[:2000] or "it cannot be loaded"
    except MemoryError:
        return "it needs more memory than is allowed"
    return ""


if __name__ == "__main__":
    main(sys.argv[1])
