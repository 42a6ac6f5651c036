"""The whole mesh as a user runs it: `mlmesh up`, on ports of its own, with the shipped models."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAMS = ("gateway", "predictor")
START_SECONDS = 90
STOP_SECONDS = 60


@dataclass(frozen=True, slots=True)
class RunningMesh:
    process: subprocess.Popen[bytes]
    folder: Path
    http_port: int
    ops_port: int
    grpc_port: int
    health_port: int
    metrics_port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def start_mesh(
    folder: Path,
    environment: dict[str, str] | None = None,
    programs: Sequence[str] = PROGRAMS,
    lines: Sequence[str] = (),
) -> RunningMesh:
    """`mlmesh up` in `folder`, ready to answer.

    programs: linked into the folder. lines: further ones for mesh.toml.
    """
    http, ops, grpc, health, metrics = free_ports(5)
    for program in programs:
        (folder / program).symlink_to(ROOT / program)
    (folder / "mesh.toml").write_text(
        f"[gateway]\nhttp_port = {http}\nops_port = {ops}\n"
        "[programs]\n"
        'predictor = { service = "mlmesh.v1.PredictorService", number = 1, '
        f"port = {grpc}, health_port = {health}, metrics_port = {metrics} }}\n" + "\n".join(lines)
    )
    with (folder / "mesh.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlmesh.cli.main", "up"],
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdout=log,
            stderr=log,
        )
    mesh = RunningMesh(process, folder, http, ops, grpc, health, metrics)
    _wait_until_ready(mesh)
    return mesh


def _wait_until_ready(mesh: RunningMesh) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and mesh.process.poll() is None:
        try:
            with urllib.request.urlopen(f"{mesh.url}/ready", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    mesh.process.kill()
    pytest.fail(f"the mesh did not start:\n{(mesh.folder / 'mesh.log').read_text()}")


@pytest.fixture(scope="session")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMesh]:
    """One mesh for the tests that only ask; it must end well."""
    running = start_mesh(tmp_path_factory.mktemp("mesh"), {"MLMESH_LAME_DUCK_SECONDS": "0"})
    yield running
    assert running.stop() == 0, (running.folder / "mesh.log").read_text()
