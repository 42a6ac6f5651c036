from __future__ import annotations

import re
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from mlmesh.cli.mesh import read_mesh
from mlmesh.inference.gpu import FIGURES
from tests.end_to_end.conftest import RunningMesh

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
ROW = re.compile(r"\| `(\w+)` \| (\w+) \| ([\w, ]*)\| (.+) \|")
OF_PYTHON = ("process_", "python_")
OF_GPUS = "Where there is a GPU"


@dataclass(frozen=True, slots=True)
class Documented:
    type: str
    labels: frozenset[str]


def documented() -> dict[str, dict[str, Documented]]:
    """By section and name."""
    sections: dict[str, dict[str, Documented]] = {}
    for line in PAGE.read_text().splitlines():
        if line.startswith("## "):
            section = sections.setdefault(line[3:], {})
        elif matched := ROW.fullmatch(line):
            name, kind, labels, _ = matched.groups()
            section[name] = Documented(kind, frozenset(labels.replace(" ", "").split(",")) - {""})
    return sections


def scraped(port: int) -> dict[str, Metric]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        return {
            family.name + ("_total" if family.type == "counter" else ""): family
            for family in families
            if not family.name.startswith(OF_PYTHON)
        }


def labels_of(family: Metric) -> Iterator[frozenset[str]]:
    for sample in family.samples:
        yield frozenset(sample.labels) - {"le"}


@pytest.fixture(scope="session")
def exposed(mesh: RunningMesh) -> dict[str, dict[str, Metric]]:
    """What each process shows after calls that went well and that did not."""
    with httpx.Client(base_url=mesh.url, timeout=30) as client:
        row = {"features": [39.1, 18.7, 181, 3750]}
        assert client.post("/predict", json=row).status_code == 200
        assert client.post("/predict", json={"features": [1]}).status_code == 400
        line = {"id": "1", "request": {"model": "penguins", **row}}
        assert client.post("/v1/models:streamPredict", json=line).status_code == 200
        text = {"text": "This product is amazing!"}
        assert client.post("/analyze/sentiment", json=text).status_code == 200
        assert client.post("/analyze/sentiment", json={"text": ""}).status_code == 400
        for content, status in (((PAGE.parent / "images/cat.jpg").read_bytes(), 200), (b"no", 415)):
            files = {"image": ("cat.jpg", content, "image/jpeg")}
            assert client.post("/classify", files=files).status_code == status
    services = read_mesh(mesh.folder / "mesh.toml").services
    ports = {"gateway": mesh.ops_port, **{one.name: one.metrics_port for one in services}}
    return {program: scraped(port) for program, port in ports.items()}


@pytest.mark.parametrize(
    ("program", "sections"),
    [
        ("gateway", ["Every process", "Gateway"]),
        ("predictor", ["Every process", "Model services"]),
        ("nlp", ["Every process", "Model services"]),
        ("vision", ["Every process", "Model services", "Vision service"]),
    ],
)
def test_the_page_has_what_a_running_mesh_exposes_and_nothing_else(
    exposed: dict[str, dict[str, Metric]], program: str, sections: list[str]
) -> None:
    page = documented()
    said = {name: one for section in sections for name, one in page[section].items()}

    found = {name: one for name, one in exposed[program].items() if name not in page[OF_GPUS]}

    assert {name: one.type for name, one in found.items()} == {
        name: one.type for name, one in said.items()
    }
    for name, family in found.items():
        assert set(labels_of(family)) <= {said[name].labels}, name


def test_all_that_has_labels_was_seen_with_them(exposed: dict[str, dict[str, Metric]]) -> None:
    seen = {name for page in exposed.values() for name, one in page.items() if one.samples}

    never = {"model_swaps_total"}
    assert {name for page in exposed.values() for name in page} - seen <= never


def test_the_page_has_every_figure_of_a_gpu() -> None:
    assert {figure.name for figure in FIGURES} == documented()[OF_GPUS].keys()
