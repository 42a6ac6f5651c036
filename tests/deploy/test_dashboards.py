"""Every expression of the dashboards and alerts asks for something that a running mesh shows."""

from __future__ import annotations

import importlib.util
import json
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from mlmesh.cli.mesh import read_mesh
from tests.deploy.expressions import series_in
from tests.deploy.tools import tool
from tests.end_to_end.conftest import RunningMesh, start_mesh

ROOT = Path(__file__).parents[2]
GRAFANA = ROOT / "deploy" / "grafana"
RULES = ROOT / "deploy" / "prometheus" / "rules.yml"
FILES = sorted((GRAFANA / "dashboards").glob("*.json"))
VARIABLES = {"$__rate_interval": "5m", "$job": ".*", "$model": ".*", "${source}": "source"}


def writer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dashboards", GRAFANA / "dashboards.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up.

    sys.modules["dashboards"] = module
    spec.loader.exec_module(module)
    return module


def filled(text: str) -> str:
    for name, value in VARIABLES.items():
        text = text.replace(name, value)
    return text


def expressions_of(file: Path) -> Iterator[str]:
    for panel in json.loads(file.read_text())["panels"]:
        yield from (filled(target["expr"]) for target in panel["targets"])


def rules() -> list[dict[str, Any]]:
    return [
        rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
    ]


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMesh]:
    running = start_mesh(tmp_path_factory.mktemp("mesh"), {"MLMESH_LAME_DUCK_SECONDS": "0"})
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def shown(mesh: RunningMesh) -> set[str]:
    """The series that gateway and predictor show after calls that went well and that did not."""
    with httpx.Client(base_url=mesh.url, timeout=30) as client:
        assert client.post("/predict", json={"features": [1, 2, 3, 4]}).status_code == 200
        assert client.post("/predict", json={"features": [1]}).status_code == 400
    services = read_mesh(mesh.folder / "mesh.toml").services
    names: set[str] = set()
    for port in (mesh.ops_port, *(service.metrics_port for service in services)):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            for family in text_string_to_metric_families(answer.read().decode()):
                names.update(sample.name for sample in family.samples)
                # A counter that nothing was counted in yet has no samples.
                names.update({family.name + "_total"} if family.type == "counter" else ())
    return names


def test_the_files_are_what_the_script_writes() -> None:
    dashboards = writer()

    written = {
        f"{name}.json": dashboards.text_of(one) for name, one in dashboards.DASHBOARDS.items()
    }

    assert {file.name: file.read_text() for file in FILES} == written


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_prometheus_can_read_every_expression(file: Path, tmp_path: Path) -> None:
    recorded = [
        {"record": f"panel:{number}", "expr": expression}
        for number, expression in enumerate(expressions_of(file))
    ]
    rules = tmp_path / "rules.yml"
    rules.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": recorded}]}))

    checked = tool("promtool", "check", "rules", rules)

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(recorded)} rules found" in checked.stdout


def test_every_series_is_one_that_a_running_mesh_shows(shown: set[str]) -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    from_dashboards = {
        name for file in FILES for one in expressions_of(file) for name in series_in(one)
    }
    from_rules = {name for rule in rules() for name in series_in(rule["expr"])}

    strange = {
        name
        for name in from_dashboards | from_rules
        if name not in shown and name not in recorded and not name.startswith("gpu_")
    }

    # `up` is Prometheus' own.
    assert strange <= {"up"}


@pytest.mark.parametrize(
    ("expression", "series"),
    [
        ('sum by (job, le) (rate(a_bucket{x="y_z"}[5m])) > 0.01', {"a_bucket"}),
        ("1 - a:b:rate5m / 0.001", {"a:b:rate5m"}),
        ("a > 0 and on (job) increase(b_count[2m]) == 0", {"a", "b_count"}),
    ],
)
def test_series_are_told_from_labels_and_functions(expression: str, series: set[str]) -> None:
    assert series_in(expression) == series


@pytest.mark.parametrize(
    "file", sorted((GRAFANA / "provisioning").rglob("*.yml")), ids=lambda file: file.stem
)
def test_provisioning_is_of_the_first_api(file: Path) -> None:
    content = yaml.safe_load(file.read_text())

    assert content["apiVersion"] == 1
    assert content.get("datasources") or content.get("providers")
