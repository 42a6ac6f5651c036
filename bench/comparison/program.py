"""Server processes that a benchmark starts, asks how much CPU they took, and always stops."""

from __future__ import annotations

import http.client
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
START_SECONDS = 90
STOP_SECONDS = 10
# Below those of outgoing connections, of which a load has many.
LOWEST_PORT, HIGHEST_PORT = 15_000, 31_999
TETHER = str(ROOT / "mlmesh/cli/tether.py")
_TICKS = os.sysconf("SC_CLK_TCK")
_given: set[int] = set()
_random = random.Random()


class NotStarted(Exception):
    """A program ended, or did not answer in time; the message holds what it wrote."""


@dataclass(frozen=True, slots=True)
class Program:
    name: str
    arguments: Sequence[str]
    """Of this Python, for example ("-m", "predictor"), unless `executable` says otherwise."""
    environment: Mapping[str, str] = field(default_factory=dict)
    ready: str = ""
    """host:port/path that answers 200 once the program does; empty: nothing is waited for."""
    executable: str = sys.executable


@dataclass(frozen=True, slots=True)
class Running:
    """A program that has been started."""

    program: Program
    process: subprocess.Popen[bytes]

    @property
    def cpu_seconds(self) -> float:
        """CPU time of the process and of those that it started."""
        return sum(_cpu_seconds(pid) for pid in _tree(self.process.pid))


@contextmanager
def running(programs: Sequence[Program], folder: Path) -> Iterator[Sequence[Running]]:
    """Programs that answer. What they write goes to `<folder>/<name>.log`."""
    started: list[Running] = []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        for program in programs:
            with (folder / f"{program.name}.log").open("wb") as log:
                process = subprocess.Popen(
                    # Not even when this process is killed do they outlive it.
                    [sys.executable, TETHER, str(os.getpid()), *_command(program)],
                    cwd=ROOT,
                    env={**os.environ, **program.environment},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    # A terminal's Ctrl-C is for this process, which then stops them.
                    start_new_session=True,
                )
            started.append(Running(program, process))
        for one in started:
            _wait_until_ready(one, folder)
        yield started
    finally:
        _stop(started)


def _command(program: Program) -> list[str]:
    return [program.executable, *program.arguments]


def free_addresses(count: int) -> list[str]:
    """Addresses that nobody listens on; none is given twice."""
    return [_free_address() for _ in range(count)]


def _free_address() -> str:
    while True:
        port = _random.randint(LOWEST_PORT, HIGHEST_PORT)
        if port in _given:
            continue
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            _given.add(port)
            return f"127.0.0.1:{port}"


def _wait_until_ready(one: Running, folder: Path) -> None:
    address, _, path = one.program.ready.partition("/")
    until = time.monotonic() + START_SECONDS
    while address and not _answers(address, f"/{path}"):
        if one.process.poll() is not None or time.monotonic() > until:
            said = (folder / f"{one.program.name}.log").read_text(errors="replace")
            raise NotStarted(f"{one.program.name} did not start:\n{said[-2000:]}")
        time.sleep(0.1)


def _answers(address: str, path: str) -> bool:
    connection = http.client.HTTPConnection(address, timeout=1)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _stop(started: Sequence[Running]) -> None:
    families = [_tree(one.process.pid) for one in started]
    for one in started:
        one.process.terminate()
    for one, family in zip(started, families, strict=True):
        try:
            one.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            one.process.kill()
            one.process.wait()
        for pid in family[1:]:
            _kill(pid)


def _kill(pid: int) -> None:
    """End a worker that its own program has left behind."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _tree(pid: int) -> list[int]:
    """A process and its descendants, the oldest first."""
    found = [pid]
    for one in found:
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                found += map(int, children.read_text().split())
            except OSError:
                continue
    return found


def _cpu_seconds(pid: int) -> float:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0.0
    # The name, in brackets, may hold blanks; user and system time are 14th and 15th.
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
