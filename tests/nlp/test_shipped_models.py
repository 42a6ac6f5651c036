"""The versions that the nlp service ships, judged by their files alone, without torch and data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from mlmesh.evaluation.figure_table import markdown_figures, read_manifests
from mlmesh.registry.manifest import MODEL_FILE, read_manifest, sha256_of
from mlmesh.registry.pins import PINS_FILE, pins_of, read_pins
from nlp.training.graph import FORMS
from tests.nlp.shipped import MODELS, ROOT, Shipped, found_in

NAMES = ("embeddings", "entities", "sentiment")
MOST_BYTES = 50_000_000
FLOORS = {
    "embeddings": {"stsb_spearman": 0.82},
    "entities": {"conll_f1": 0.89, "wnut_f1": 0.44, "web_f1": 0.66},
    "sentiment": {"sst2_accuracy": 0.90, "amazon_yelp_accuracy": 0.92},
}
LARGEST_LOSS = 0.003
"""How much worse whole numbers may be than floats."""
every_model = pytest.mark.parametrize("name", NAMES)


@pytest.fixture
def shipped(request: pytest.FixtureRequest, tmp_path: Path) -> Shipped:
    name, form = request.param
    return Shipped(name, form, tmp_path)


every_shipped = pytest.mark.parametrize(
    "shipped", [(name, form) for name in NAMES for form in FORMS], indirect=True
)

TEXTS = (
    "Fine.",
    "This product is amazing, and I would buy it again at any price!",
    "Apple Inc. is located in Cupertino, California.",
    "The quick brown fox jumps over the lazy dog. " * 6,
)


def test_the_folder_holds_exactly_these_versions() -> None:
    found = [path.parent.relative_to(MODELS).as_posix() for path in MODELS.rglob(MODEL_FILE)]

    assert sorted(found) == [f"{name}/v1.0" for name in NAMES]
    assert read_pins(MODELS.with_name(PINS_FILE)) == pins_of(MODELS)


def test_everything_together_is_small_and_named_by_a_manifest() -> None:
    manifests = read_manifests(MODELS)
    blobs = {digest for one in manifests for digest in one.blobs.values()}

    assert {path.name for path in (MODELS / "blobs").iterdir()} == blobs
    assert len(blobs) == 2
    assert sum(path.stat().st_size for path in MODELS.rglob("*") if path.is_file()) < MOST_BYTES


@every_model
def test_digests_are_right(name: str) -> None:
    folder = MODELS / name / "v1.0"
    manifest = read_manifest(folder)

    assert {path.name for path in folder.iterdir()} == {"manifest.json", *manifest.files}
    for file, digest in manifest.files.items():
        assert sha256_of(folder / file) == digest
    for digest in manifest.blobs.values():
        assert sha256_of(MODELS / "blobs" / digest) == digest


@every_shipped
def test_onnxruntime_answers_as_torch_did(shipped: Shipped) -> None:
    golden = shipped.manifest.golden
    assert golden is not None
    inputs = {name: np.array(rows, np.int64) for name, rows in golden.inputs.items()}

    [expected] = golden.outputs.values()

    assert np.abs(shipped.run(inputs) - np.array(expected)).max() <= golden.tolerance


@every_shipped
def test_a_text_gets_the_same_answer_alone_and_among_others(shipped: Shipped) -> None:
    together = shipped.run(shipped.batch(*TEXTS))

    for row, text in enumerate(TEXTS):
        alone = shipped.run(shipped.batch(text))[0]
        same = together[row] if alone.ndim == 1 else together[row, : len(alone)]
        assert np.abs(same - alone).max() < 1e-5


@pytest.mark.parametrize("shipped", [("sentiment", "int8"), ("entities", "int8")], indirect=True)
def test_probabilities_add_up_to_one(shipped: Shipped) -> None:
    answer = shipped.run(shipped.batch(*TEXTS))

    assert answer.min() >= 0
    assert np.abs(answer.sum(axis=-1) - 1).max() < 1e-5


@pytest.mark.parametrize(
    "shipped", [("embeddings", "int8"), ("embeddings", "float")], indirect=True
)
def test_embeddings_have_length_one_and_tell_alike_from_different(shipped: Shipped) -> None:
    eating, meal, stocks = shipped.run(
        shipped.batch(
            "A man is eating food.", "Someone is having a meal.", "Stock prices fell on Monday."
        )
    )

    assert np.linalg.norm(eating) == pytest.approx(1, abs=1e-5)
    assert eating @ meal > 0.6 > 0.2 > eating @ stocks


@pytest.mark.parametrize("shipped", [("sentiment", "int8"), ("sentiment", "float")], indirect=True)
def test_the_plainest_sentiments(shipped: Shipped) -> None:
    answers = shipped.run(
        shipped.batch(
            "This product is amazing!", "The parcel arrived on Monday.", "What a waste of money."
        )
    )

    labels = [shipped.manifest.labels[row.argmax()] for row in answers]

    assert labels == ["positive", "neutral", "negative"]


@pytest.mark.parametrize("shipped", [("entities", "int8"), ("entities", "float")], indirect=True)
def test_the_plainest_entities(shipped: Shipped) -> None:
    text = "Apple Inc. is located in Cupertino, California."

    spans = found_in(shipped, text)

    assert spans == [("Apple Inc.", "ORG"), ("Cupertino", "LOC"), ("California", "LOC")]


@every_model
def test_the_figures_are_good_enough_to_ship(name: str) -> None:
    evaluation = read_manifest(MODELS / name / "v1.0").evaluation
    floats = evaluation.baselines["computed with floats"]

    for figure, floor in FLOORS[name].items():
        assert evaluation.metrics[figure] >= floor, figure
        assert evaluation.metrics[figure] >= floats[figure] - LARGEST_LOSS, figure
        assert evaluation.metrics[f"{figure}_low"] < evaluation.metrics[figure]


@every_model
def test_a_card_says_where_the_weights_come_from_and_what_the_model_is_not(name: str) -> None:
    manifest = read_manifest(MODELS / name / "v1.0")

    assert manifest.licence == "Apache-2.0"
    assert manifest.training.data
    assert manifest.training.citation
    assert manifest.training.split
    assert len(manifest.limits) >= 4
    assert manifest.evaluation.notes


@every_model
def test_the_graph_tells_nothing_of_the_machine_it_came_from(name: str) -> None:
    folder = MODELS / name / "v1.0"
    model = onnx.load(folder / MODEL_FILE, load_external_data=False)
    card = (folder / "manifest.json").read_bytes()

    parts: tuple[Any, ...] = (model, model.graph, *model.graph.node)

    assert not any(part.doc_string or part.metadata_props for part in parts)
    assert not any(trace in card for trace in (b"/home", b"/root", b"/work", b"/usr", b"/tmp"))


def test_the_page_about_the_models_says_what_their_manifests_say() -> None:
    page = (ROOT / "docs" / "nlp-models.md").read_text(encoding="utf-8")

    assert markdown_figures(read_manifests(MODELS)) in page
