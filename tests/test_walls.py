"""Imports go one way: generated <- mlmesh <- programs."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROGRAMS = ("gateway", "predictor", "nlp", "vision")
FORBIDDEN = {
    "mlmesh": {*PROGRAMS, "torch"},
    "gateway": {"predictor", "nlp", "vision", "onnxruntime", "numpy", "torch"},
    "predictor": {"gateway", "nlp", "vision"},
    "nlp": {"gateway", "predictor", "vision"},
    "vision": {"gateway", "predictor", "nlp"},
}
SERVERS = ("gateway.__main__", "predictor.__main__", "nlp.__main__", "vision.__main__")


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").split(".")[0]


@pytest.mark.parametrize("room", FORBIDDEN)
def test_no_room_imports_what_lies_above_or_beside_it(room: str) -> None:
    found = {
        (path.relative_to(ROOT).as_posix(), name)
        for path in (ROOT / room).rglob("*.py")
        for name in imported(path)
        if name in FORBIDDEN[room]
    }

    assert found == set()


def modules_after(module: str) -> set[str]:
    """Top-level modules that are loaded once a server's program is imported."""
    code = f"import sys, {module}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("server", SERVERS)
def test_no_server_loads_what_only_training_needs(server: str) -> None:
    assert not modules_after(server) & {"torch", "sklearn", "onnx", "onnxscript"}


def test_the_gateway_runs_no_models() -> None:
    assert "onnxruntime" not in modules_after("gateway.__main__")


def test_a_client_needs_no_more_than_the_base_install() -> None:
    heavy = {"numpy", "onnxruntime", "pydantic", "uvicorn", "prometheus_client", "orjson"}

    assert not modules_after("mlmesh.v1.predictor_pb2_grpc") & heavy
    assert not modules_after("mlmesh.runtime.channel") & heavy
