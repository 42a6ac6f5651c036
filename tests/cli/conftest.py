"""A mesh of stand-in programs in a folder of its own, and `mlmesh up` and `models` run on it."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mlmesh.cli.app import app
from mlmesh.registry.pins import write_pins
from mlmesh.registry.signature import SIGNATURE_FILE
from tests.ports import free_ports
from tests.registration import graphs
from tests.tiny_models import write_classifier

PATIENCE_SECONDS = 30.0
STAND_INS = Path(__file__).parent / "stand_ins"
UP = (sys.executable, "-m", "mlmesh.cli.main", "up")


@dataclass(frozen=True)
class Folder:
    """A folder with mesh.toml and programs."""

    path: Path
    http_port: int
    grpc_port: int
    health_port: int

    def program(self, name: str, source: str) -> None:
        """Make `source` what `python -m name` runs."""
        (self.path / name).mkdir(exist_ok=True)
        (self.path / name / "__init__.py").touch()
        (self.path / name / "__main__.py").write_text(source, encoding="utf-8")

    def stand_in(self, name: str) -> None:
        """Add the ready-made gateway, or a model service."""
        kind = "gateway" if name == "gateway" else "service"
        self.program(name, (STAND_INS / f"{kind}.py").read_text(encoding="utf-8"))


@dataclass
class Running:
    """A running `mlmesh up`."""

    process: Process
    output: list[str] = field(default_factory=list)

    async def line(self, text: str) -> str:
        """Read on until a line holds `text`."""
        while True:
            line = await self._next()
            if text in line:
                return line
            assert line, f"no {text!r} in\n{self.text()}"

    async def end(self) -> int:
        """Read all that is left and return the exit code."""
        while await self._next():
            pass
        return await asyncio.wait_for(self.process.wait(), PATIENCE_SECONDS)

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def text(self) -> str:
        return "".join(self.output)

    async def _next(self) -> str:
        assert self.process.stdout
        async with asyncio.timeout(PATIENCE_SECONDS):
            line = (await self.process.stdout.readline()).decode()
        self.output.append(line)
        return line


Start = Callable[..., AbstractAsyncContextManager[Running]]
Models = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """An empty mesh of one service, predictor, and the gateway, on free ports."""
    http, ops, grpc, health, metrics = free_ports(5)
    (tmp_path / "mesh.toml").write_text(
        f"""
        [gateway]
        http_port = {http}
        ops_port = {ops}
        [programs.predictor]
        service = "mlmesh.v1.PredictorService"
        number = 1
        port = {grpc}
        health_port = {health}
        metrics_port = {metrics}
        """
    )
    return Folder(tmp_path, http, grpc, health)


@pytest.fixture
def mesh(folder: Folder) -> Folder:
    """The same, with stand-ins for both programs."""
    folder.stand_in("predictor")
    folder.stand_in("gateway")
    return folder


@pytest.fixture
def running_up(folder: Folder) -> Start:
    @asynccontextmanager
    async def start(*options: str, **environment: str) -> AsyncIterator[Running]:
        process = await asyncio.create_subprocess_exec(
            *UP,
            *options,
            cwd=folder.path,
            env={**os.environ, **environment},
            stdout=PIPE,
            stderr=STDOUT,
            limit=2**20,
        )
        try:
            yield Running(process)
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.communicate()

    return start


async def gone(pid: int) -> bool:
    """Wait for the end of a process that need not be ours."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return await asyncio.to_thread(_readable, handle)
    finally:
        os.close(handle)


def _readable(handle: int) -> bool:
    return bool(select.select([handle], [], [], PATIENCE_SECONDS)[0])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A mesh's folder with one shipped model, `shipped` v1.0, in which nothing runs."""
    write_classifier(tmp_path / "predictor" / "models", "shipped")
    (tmp_path / "predictor" / "models" / "shipped" / "v1.0" / SIGNATURE_FILE).unlink(
        missing_ok=True
    )
    write_pins(tmp_path / "predictor" / "pinned.json", tmp_path / "predictor" / "models")
    monkeypatch.chdir(tmp_path)
    for name in ("MLMESH_REPOSITORY", "MLMESH_KEYS", "MLMESH_MODELS"):
        monkeypatch.delenv(name, raising=False)
    [port] = free_ports(1)
    monkeypatch.setenv("MLMESH_GATEWAY", f"http://127.0.0.1:{port}")
    return tmp_path


@pytest.fixture
def models(here: Path) -> Models:
    """Runs `mlmesh models` in that folder."""

    def run(*arguments: str | Path, sent: str = "") -> Result:
        words = ["models", *(str(argument) for argument in arguments)]
        return CliRunner().invoke(app, words, input=sent, prog_name="mlmesh")

    return run


@pytest.fixture
def registered(models: Models, here: Path) -> Path:
    """net v1.0, registered; gives the repository."""
    graph = graphs.network(here / "net.onnx")
    result = models("register", graph, "--labels", "a,b,c", "--metrics", '{"accuracy": 0.95}')
    assert result.exit_code == 0, result.output
    return here / "var" / "models"
