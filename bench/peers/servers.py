"""Other projects' servers with the same graph, each in a virtual environment of its own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from bench.comparison.load import HttpRequest
from bench.comparison.payloads import JSON, ROW
from bench.comparison.program import ROOT, Program, free_addresses

HERE = Path(__file__).parent
GRAPH = ROOT / "predictor/models/penguins/v1.0/model.onnx"


@dataclass(frozen=True, slots=True)
class Peer:
    program: Program
    address: str
    request: HttpRequest
    """The tabular payload in its words."""


def litserve(python: Path, folder: Path) -> Peer:
    [address] = free_addresses(1)
    script = str(HERE / "litserve_server.py")
    program = Program(
        "litserve",
        (script, address.partition(":")[2], str(GRAPH)),
        {"PYTHONPATH": ""},
        f"{address}/health",
        str(python),
    )
    body = orjson.dumps({"features": ROW})
    return Peer(program, address, HttpRequest("/predict", JSON, body))


def mlserver(python: Path, folder: Path) -> Peer:
    http, grpc, metrics = free_addresses(3)
    home = folder / "mlserver"
    home.mkdir()
    shutil.copy(HERE / "mlserver_server.py", home / "penguins_runtime.py")
    settings = {
        "host": "127.0.0.1",
        "http_port": int(http.partition(":")[2]),
        "grpc_port": int(grpc.partition(":")[2]),
        "metrics_port": int(metrics.partition(":")[2]),
        "parallel_workers": 0,
        "debug": False,
    }
    (home / "settings.json").write_text(json.dumps(settings))
    (home / "model-settings.json").write_text(
        json.dumps({"name": "penguins", "implementation": "penguins_runtime.Penguins"})
    )
    program = Program(
        "mlserver",
        ("-c", "from mlserver.cli import main; main()", "start", str(home)),
        {"PYTHONPATH": str(home), "BENCH_GRAPH": str(GRAPH)},
        f"{http}/v2/health/ready",
        str(python),
    )
    tensor = {"name": "features", "datatype": "FP32", "shape": [1, len(ROW)], "data": ROW}
    body = orjson.dumps({"inputs": [tensor]})
    return Peer(program, http, HttpRequest("/v2/models/penguins/infer", JSON, body))


def bentoml(python: Path, folder: Path) -> Peer:
    [address] = free_addresses(1)
    program = Program(
        "bentoml",
        (
            *("-m", "bentoml", "serve", "bentoml_server:Penguins", "--working-dir", str(HERE)),
            *("--host", "127.0.0.1", "--port", address.partition(":")[2]),
        ),
        {
            "PYTHONPATH": "",
            "BENCH_GRAPH": str(GRAPH),
            "BENTOML_HOME": str(folder / "bentoml"),
            "BENTOML_DO_NOT_TRACK": "True",
        },
        f"{address}/readyz",
        str(python),
    )
    return Peer(program, address, HttpRequest("/predict", JSON, orjson.dumps({"features": ROW})))


SERVERS: Mapping[str, Callable[[Path, Path], Peer]] = {
    "litserve": litserve,
    "mlserver": mlserver,
    "bentoml": bentoml,
}


def python_of(peers: Path, name: str) -> Path:
    """The interpreter of a peer's environment, `<peers>/<name>/bin/python`."""
    return peers / name / "bin/python"
