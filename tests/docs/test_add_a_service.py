"""docs/add-a-service.md does what it says: its blocks are taken from the page and run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.conftest import ROOT, RunningMesh, start_mesh
from tests.ports import free_ports

PAGE = (ROOT / "docs" / "add-a-service.md").read_text()


def block_after(text: str, language: str) -> str:
    """The first block of a language after some text of the page."""
    rest = PAGE[PAGE.index(text) :]
    found = re.search(rf"```{language}\n(.*?)```", rest, re.DOTALL)
    assert found
    return found[1]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what the new service needs, with the page's files in it."""
    folder = tmp_path / "project"
    for name in ("protos", "mlmesh", "gateway", "predictor"):
        shutil.copytree(ROOT / name, folder / name)
    (folder / "keywords").mkdir()
    files = {
        "protos/mlmesh/v1/keywords.proto": "proto",
        "keywords/__init__.py": "python",
        "keywords/service.py": "python",
        "keywords/__main__.py": "python",
    }
    for name, language in files.items():
        (folder / name).write_text(block_after(f"`{name}`", language))
    (folder / "generated").mkdir()
    subprocess.run([sys.executable, folder / "protos" / "compile.py"], check=True)
    return folder


@pytest.fixture
def running(project: Path) -> RunningMesh:
    port, health, metrics = free_ports(3)
    line = block_after("## 3. The line", "toml").strip()
    line = line.replace(
        "}", f", port = {port}, health_port = {health}, metrics_port = {metrics} }}"
    )
    paths = os.pathsep.join([str(project), str(project / "generated")])
    environment = {"PYTHONPATH": paths, "MLMESH_LAME_DUCK_SECONDS": "0"}
    return start_mesh(project, environment, lines=[line], link=False)


def test_the_new_service_answers_as_the_page_says(running: RunningMesh) -> None:
    try:
        command = block_after("## 4. Try it", "sh").replace(
            "localhost:8080", f"127.0.0.1:{running.http_port}"
        )
        answer = json.loads(subprocess.check_output(command, shell=True))
        curl = ["curl", "-s", f"{running.url}/v1/text:keywords", "-d", "{}"]
        refused = json.loads(
            subprocess.check_output([*curl, "-H", "content-type: application/json"])
        )
    finally:
        stopped = running.stop()

    expected = json.loads(block_after("answers", "json"))
    expected_refusal = json.loads(block_after("An empty text", "json"))
    refused["error"].pop("details")
    assert answer == expected
    assert refused == expected_refusal
    assert stopped == 0
