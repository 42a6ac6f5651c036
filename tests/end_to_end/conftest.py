"""The whole mesh as a user runs it: `mlmesh up`, on ports of its own, with the shipped models."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from mlmesh.cli.mesh import GRPC_BASE, Service, read_mesh
from tests.ports import free_ports

ROOT = Path(__file__).parents[2]
USUAL = read_mesh(ROOT / "mesh.toml")
START_SECONDS = 90
STOP_SECONDS = 60


@dataclass(frozen=True, slots=True)
class RunningMesh:
    process: subprocess.Popen[bytes]
    folder: Path
    http_port: int
    ops_port: int
    grpc_ports: Mapping[str, int]
    """By program."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def grpc_port(self) -> int:
        """The predictor's."""
        return self.grpc_ports["predictor"]

    def here(self, text: str) -> str:
        """What a page of the documentation says, for the ports of this mesh."""
        text = text.replace("localhost:8080", f"127.0.0.1:{self.http_port}")
        for program, port in self.grpc_ports.items():
            usual = next(one.port for one in USUAL.services if one.name == program)
            text = text.replace(f"localhost:{usual}", f"127.0.0.1:{port}")
        return text

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)


def start_mesh(
    folder: Path,
    environment: dict[str, str] | None = None,
    programs: Sequence[str] = ("predictor",),
    lines: Sequence[str] = (),
    *,
    link: bool = True,
) -> RunningMesh:
    """`mlmesh up` in `folder`, ready to answer.

    programs: of the shipped mesh.toml, beside the gateway; linked into the folder unless they are
    there. lines: further ones for mesh.toml.
    """
    http, ops = free_ports(2)
    for program in ("gateway", *programs) if link else ():
        (folder / program).symlink_to(ROOT / program)
    services = [service for service in USUAL.services if service.name in programs]
    ports = {service.name: free_ports(3) for service in services}
    (folder / "mesh.toml").write_text(
        f"[gateway]\nhttp_port = {http}\nops_port = {ops}\n[programs]\n"
        + "".join(_line_of(service, *ports[service.name]) for service in services)
        + "\n".join(lines)
    )
    with (folder / "mesh.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlmesh.cli.main", "up"],
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdout=log,
            stderr=log,
        )
    grpc_ports = {name: grpc for name, (grpc, _, _) in ports.items()}
    mesh = RunningMesh(process, folder, http, ops, grpc_ports)
    _wait_until_ready(mesh)
    return mesh


def _line_of(service: Service, grpc: int, health: int, metrics: int) -> str:
    said = f'service = "{service.contract}", number = {service.port - GRPC_BASE}'
    ports = f"port = {grpc}, health_port = {health}, metrics_port = {metrics}"
    return f"{service.name} = {{ {said}, {ports} }}\n"


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
    running = start_mesh(
        tmp_path_factory.mktemp("mesh"),
        {"MLMESH_LAME_DUCK_SECONDS": "0"},
        [service.name for service in USUAL.services],
    )
    yield running
    assert running.stop() == 0, (running.folder / "mesh.log").read_text()
