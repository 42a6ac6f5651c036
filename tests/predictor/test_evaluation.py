"""The predictor's shipped models, judged through a running service on rows that a test writes."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry

pytest.importorskip("sklearn")

from mlmesh.evaluation.measuring import measure
from mlmesh.evaluation.served import Served, asking
from mlmesh.inference.host import open_host
from mlmesh.inference.metrics import InferenceMetrics
from mlmesh.inference.options import HostOptions
from mlmesh.registry.manifest import MODEL_FILE, read_manifest
from mlmesh.registry.pins import read_pins
from mlmesh.registry.signature import Trust
from mlmesh.runtime.health import Health
from mlmesh.runtime.metrics import ServerMetrics
from mlmesh.runtime.server import running_server
from predictor.evaluation import evaluations
from predictor.service import predictor_service
from predictor.training.adult import CATEGORICAL, read_adult
from predictor.training.evaluation import metrics_of, shares
from predictor.training.penguin_rows import parted, read_penguins
from predictor.training.rows import Rows

PREDICTOR = Path(__file__).parents[2] / "predictor"
MODELS = PREDICTOR / "models"


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """The shipped models behind their service."""
    pinned = frozenset(read_pins(PREDICTOR / "pinned.json").values())
    options = HostOptions(roots=(MODELS,), trust=Trust(pinned=pinned), trial=None)
    registry = CollectorRegistry()
    metrics = ServerMetrics(registry, "tabular")
    async with open_host(options, InferenceMetrics(registry)) as host:
        services = [predictor_service(host)]
        async with running_server("127.0.0.1:0", services, metrics, Health([])) as port:
            yield port


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Made-up rows of both sets."""
    folder = tmp_path / "tabular"
    folder.mkdir()
    random = np.random.default_rng(0)
    columns = "species,bill_length_mm,bill_depth_mm,flipper_length_mm,body_mass_g"
    rows = ["Adelie,NA,NA,NA,NA"]
    for species in ("Adelie", "Chinstrap", "Gentoo"):
        for length, depth, flipper, mass in random.normal((43, 17, 200, 4200), 4, (30, 4)):
            rows.append(f"{species},{length:.1f},{depth:.1f},{flipper:.0f},{mass:.0f}")
    (folder / "penguins.csv").write_text("\n".join([columns, *rows]))
    # Every category that the models know once: positions are those of the training file.
    features = read_manifest(MODELS / "adult-income" / "v2.0").features
    known = {one.name: one.categories for one in features if one.kind == "categorical"}
    most = max(map(len, known.values()))
    for part, count, end in (("train", most, ""), ("test", 200, ".")):
        lines = [_person(random, known, number) + end for number in range(count)]
        with gzip.open(folder / f"adult-{part}.csv.gz", "wt") as file:
            file.write("\n".join(lines))
    return tmp_path


def _person(random: np.random.Generator, known: dict[str, tuple[str, ...]], number: int) -> str:
    cells = ["0"] * 15
    cells[0], cells[4], cells[12] = "39", str(number % 16 + 1), "40"
    for column in CATEGORICAL:
        names = known[column.name]
        cells[column.position] = names[number % len(names)]
    cells[9], cells[14] = "Female", (">50K", "<=50K")[int(random.integers(2))]
    return ", ".join(cells)


async def measured(model: str, version: str, port: int, data: Path) -> dict[str, float]:
    digest = read_manifest(MODELS / model / version).digest

    def ask() -> dict[str, float]:
        with asking(f"127.0.0.1:{port}") as channel:
            served = Served(channel, model, version, digest)
            [held] = evaluations[model].read(data)
            return measure(held, served, lambda count: None)

    return await asyncio.to_thread(ask)


def by_the_graph(model: str, version: str, test: Rows) -> dict[str, float]:
    """What the recipe puts into the card: the graph is run beside the service."""
    session: Any = onnxruntime.InferenceSession(MODELS / model / version / MODEL_FILE)
    answers: NDArray[np.float32] = session.run(["probabilities"], test.inputs)[0]
    return metrics_of(shares(answers), test.labels)


async def test_penguins_have_the_figures_of_their_graph(port: int, data: Path) -> None:
    _, test = parted(read_penguins(data / "tabular" / "penguins.csv"))

    figures = await measured("penguins", "v1.0", port, data)

    assert len(test) == 27
    assert 0 < figures["accuracy"] < 1
    assert figures == by_the_graph("penguins", "v1.0", test)


@pytest.mark.parametrize("version", ["v1.0", "v2.0"])
async def test_adult_income_has_the_figures_of_its_graph(
    port: int, data: Path, version: str
) -> None:
    test = read_adult(data / "tabular").test

    figures = await measured("adult-income", version, port, data)

    assert 0 < figures["accuracy"] < 1
    assert figures == by_the_graph("adult-income", version, test)


@pytest.mark.parametrize("model", evaluations)
def test_every_figure_of_the_card_has_a_tolerance(model: str) -> None:
    for card in MODELS.glob(f"{model}/*/manifest.json"):
        for name in read_manifest(card.parent).evaluation.metrics:
            assert evaluations[model].tolerance(name).distance == 0.0005


def test_cross_validation_is_of_models_that_nobody_serves() -> None:
    assert "not shipped" in evaluations["penguins"].why_unasked("cross_validation_accuracy")
