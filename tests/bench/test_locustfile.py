"""Locust's users are answered by the mesh."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from bench.comparison.mesh import planned_mesh
from bench.comparison.program import ROOT, running

# To import it here would patch this process for gevent.
pytestmark = pytest.mark.skipif(
    find_spec("locust") is None, reason="the comparison's packages are not installed"
)

SECONDS = 120


def test_every_kind_of_request_is_asked_and_none_fails(tmp_path: Path) -> None:
    mesh = planned_mesh(("nlp", "predictor", "vision"), tmp_path)

    with running(mesh.programs, tmp_path):
        done = subprocess.run(
            [
                *(sys.executable, "-m", "locust", "-f", "bench/locustfile.py", "--headless"),
                *("--host", f"http://{mesh.http_address}", "--users", "20", "--spawn-rate", "20"),
                *("--run-time", "4s", "--json", "--exit-code-on-error", "1"),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    assert done.returncode == 0, done.stderr
    asked = {kind["name"]: kind for kind in json.loads(done.stdout)}
    assert set(asked) == {"tabular", "text", "image"}
    assert all(kind["num_requests"] > 0 and not kind["num_failures"] for kind in asked.values())
