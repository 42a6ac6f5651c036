"""Ports that programs will listen on, and who holds one that is not free."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mlmesh.cli.mesh import MeshError

PROC = Path("/proc")
LISTENING = "0A"


@dataclass(frozen=True, slots=True)
class Port:
    """A port that a program is going to listen on."""

    host: str
    number: int
    use: str
    """Whose it is and what for, for example "predictor, gRPC"."""
    remedy: str
    """How to choose another: an option or a key of mesh.toml."""


def require_free(ports: Iterable[Port]) -> None:
    """Raise MeshError that names every port which cannot be listened on, and why."""
    if problems := [problem for port in ports if (problem := _problem_of(port))]:
        raise MeshError("\n".join(problems))


def holder_of(number: int) -> str | None:
    """The process that listens on a TCP port, where the system lets us see it."""
    sockets = {f"socket:[{inode}]" for inode in _listeners(number)}
    for process in PROC.glob("[0-9]*") if sockets else ():
        # It may end meanwhile, or belong to somebody else.
        with suppress(OSError):
            if not sockets.isdisjoint(_open_files(process)):
                return f"process {process.name} ({_command_of(process)})"
    return None


def _problem_of(port: Port) -> str | None:
    try:
        found = socket.getaddrinfo(port.host, port.number, type=socket.SOCK_STREAM)
    except OSError as problem:
        return f"--host {port.host}: {problem.strerror}"
    for family, kind, protocol, _, where in found:
        try:
            with socket.socket(family, kind, protocol) as probe:
                # Connections that linger after a last run do not stand in the way of a server.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(where)
        except OSError as problem:
            return _refusal(port, problem)
    return None


def _refusal(port: Port, problem: OSError) -> str:
    if problem.errno == errno.EADDRINUSE:
        holder = holder_of(port.number)
        reason = f"in use by {holder}" if holder else "in use"
    else:
        reason = f"not available on {port.host} ({os.strerror(problem.errno or 0)})"
    return f"port {port.number} ({port.use}) is {reason}; choose another with {port.remedy}"


def _listeners(number: int) -> Iterator[str]:
    """Inodes of the sockets that listen on a port, on any address."""
    for table in (PROC / "net/tcp", PROC / "net/tcp6"):
        try:
            rows = table.read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            columns = row.split()
            if columns[3] == LISTENING and columns[1].endswith(f":{number:04X}"):
                yield columns[9]


def _open_files(process: Path) -> Iterator[str]:
    for link in (process / "fd").iterdir():
        with suppress(FileNotFoundError):  # Closed meanwhile.
            yield str(link.readlink())


def _command_of(process: Path) -> str:
    words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
    return " ".join(words).strip()[:80]
