"""Loads versions in a child process first, so that a bad model file can harm nobody else.

A graph can crash its process, never end or ask for all of the memory. The child may do all that: it
has limits, and what it says or how it ends decides which versions the server loads itself.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from typing import Any

from mlmesh.inference.batcher import QueueLimits
from mlmesh.inference.device import Device
from mlmesh.inference.loading import open_version
from mlmesh.inference.options import TrialLimits, VersionOptions
from mlmesh.inference.provider import cuda_problem
from mlmesh.inference.session import BadGraph, SessionOptions
from mlmesh.registry.manifest import read_manifest
from mlmesh.registry.store import BadVersion

STARVED = 10
"""Times the limit of CPU time that a trial may take when others keep the CPUs busy."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A version to try."""

    folder: Path
    """Its private copy."""
    options: VersionOptions


async def try_versions(candidates: Sequence[Candidate], limits: TrialLimits) -> list[str]:
    """Why each version cannot be loaded; empty where it can.

    One child tries them in turn. When a version takes it down, a new one goes on with the next.
    """
    reasons: list[str] = []
    while len(reasons) < len(candidates):
        async with (
            _running_child(candidates[len(reasons) :], limits) as child,
            _lines_of(child) as lines,
        ):
            while len(reasons) < len(candidates):
                wall = STARVED * limits.seconds
                try:
                    async with asyncio.timeout(wall):
                        line = await lines.readline()
                except TimeoutError:
                    reasons.append(f"loading and warm-up took more than {wall:g} s")
                    break
                if not line.endswith(b"\n"):
                    reasons.append(_end_of(await asyncio.to_thread(child.wait), limits))
                    break
                reasons.append(json.loads(line))
    return reasons


@asynccontextmanager
async def _running_child(
    candidates: Sequence[Candidate], limits: TrialLimits
) -> AsyncIterator[Popen[bytes]]:
    order = {
        "candidates": [
            {"folder": str(one.folder), "options": asdict(one.options)} for one in candidates
        ],
        "seconds": limits.seconds,
        "memory_bytes": None if _on_cuda(candidates) else limits.memory_bytes,
    }
    # Starting a process takes milliseconds, in which the loop would answer nobody.
    starting = asyncio.ensure_future(asyncio.to_thread(_start, json.dumps(order).encode()))
    try:
        yield await asyncio.shield(starting)
    finally:
        child = await starting
        child.kill()
        await asyncio.to_thread(child.wait)
        for pipe in filter(None, (child.stdin, child.stdout)):
            pipe.close()


def _start(order: bytes) -> Popen[bytes]:
    command = (sys.executable, "-m", "mlmesh.inference.trial")
    child = Popen(command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, bufsize=0)
    _give_way(child.pid)
    assert child.stdin is not None
    # When it ends at once, how it did is told where its answers are read. Not closed: when this
    # pipe ends, the parent is gone.
    with suppress(BrokenPipeError), open(child.stdin.fileno(), "wb", closefd=False) as pipe:
        pipe.write(order + b"\n")
    return child


@asynccontextmanager
async def _lines_of(child: Popen[bytes]) -> AsyncIterator[asyncio.StreamReader]:
    lines = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), child.stdout
    )
    try:
        yield lines
    finally:
        transport.close()


def _give_way(pid: int) -> None:
    """Let the models that serve go before the one that is tried, from its first import on.

    Under Linux's idle policy a thread that wakes up takes the child's core at once; a niceness
    would let it queue behind another instead.
    """
    with suppress(ProcessLookupError):
        if sys.platform == "linux":
            os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))
        else:
            os.setpriority(os.PRIO_PROCESS, pid, 19)


def _on_cuda(candidates: Sequence[Candidate]) -> bool:
    return any(device.kind == "cuda" for one in candidates for device in one.options.devices)


def _end_of(code: int, limits: TrialLimits) -> str:
    if code == -signal.SIGPROF:
        return f"loading and warm-up took more than {limits.seconds:g} s of CPU time"
    how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
    return f"the process that tried to load it {how}; it may need more memory than is allowed"


def main() -> None:
    """In the child: print a JSON line for every version, "" or the reason against it."""
    # Libraries print what they like; none of it may pass for an answer.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    order = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if order["memory_bytes"] is not None:
        resource.setrlimit(resource.RLIMIT_AS, (order["memory_bytes"],) * 2)
    for said in order["candidates"]:
        candidate = Candidate(Path(said["folder"]), _options_of(said["options"]))
        if _on_cuda([candidate]):
            cuda_problem()  # also finds CUDA's libraries, which each process has to do
        # It ends the process when it is not set anew before the CPUs have spent so much on it.
        signal.setitimer(signal.ITIMER_PROF, order["seconds"])
        print(json.dumps(_reason_against(candidate)), file=answers, flush=True)


def _end_with_parent() -> None:
    """The parent holds the other end of stdin, and writes nothing more to it."""
    sys.stdin.read()
    os._exit(1)


def _options_of(said: dict[str, Any]) -> VersionOptions:
    devices = dict.fromkeys(Device(**device) for device in said["devices"])
    return VersionOptions(
        session=SessionOptions(**said["session"]),
        devices=tuple(devices),  # one instance on each device tells enough
        queue=QueueLimits(**said["queue"]),
        buckets=tuple(said["buckets"]),
    )


def _reason_against(candidate: Candidate) -> str:
    try:
        open_version(candidate.folder, read_manifest(candidate.folder), candidate.options)
    except (BadVersion, BadGraph) as error:
        return str(error)[:2000] or "it cannot be loaded"
    except MemoryError:
        return "it needs more memory than is allowed"
    return ""


if __name__ == "__main__":
    main()
