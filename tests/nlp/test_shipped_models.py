"""The versions that the nlp service ships, judged by their files alone, without torch and data."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer

from mlmesh.registry.manifest import MODEL_FILE, Manifest, read_manifest, sha256_of
from mlmesh.registry.pins import PINS_FILE, pins_of, read_pins
from nlp.tag_decoding import TagDecoder
from nlp.training.figures import markdown_figures, read_manifests
from nlp.training.graph import FORMS
from nlp.word_shapes import shapes_of

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "nlp" / "models"
NAMES = ("embeddings", "entities", "sentiment")
MOST_BYTES = 50_000_000
FLOORS = {
    "embeddings": {"stsb_spearman": 0.815},
    "entities": {"conll_f1": 0.88, "wnut_f1": 0.44, "web_f1": 0.66},
    "sentiment": {"sst2_accuracy": 0.895, "amazon_yelp_accuracy": 0.92},
}
LARGEST_LOSS = 0.003
"""How much worse whole numbers may be than floats."""
pytestmark = pytest.mark.skipif(
    not MODELS.exists(), reason="the nlp service's models are not trained yet: make models"
)
every_model = pytest.mark.parametrize("name", NAMES)
Rows = NDArray[np.int64]


class Shipped:
    """A version with its blobs beside it, as servers copy them."""

    def __init__(self, name: str, form: str, folder: Path) -> None:
        stored = MODELS / name / "v1.0"
        self.manifest: Manifest = read_manifest(stored)
        shutil.copy(stored / MODEL_FILE, folder)
        for file, digest in self.manifest.blobs.items():
            shutil.copy(MODELS / "blobs" / digest, folder / file)
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        for option, value in FORMS[form].items():
            options.add_session_config_entry(option, value)
        self._session: Any = onnxruntime.InferenceSession(
            folder / MODEL_FILE, options, providers=["CPUExecutionProvider"]
        )

    def run(self, inputs: dict[str, Rows]) -> NDArray[np.float32]:
        names = {tensor.name for tensor in self.manifest.inputs}
        answer: NDArray[np.float32] = self._session.run(
            None, {name: values for name, values in inputs.items() if name in names}
        )[0]
        return answer

    def batch(self, *texts: str) -> dict[str, Rows]:
        encodings = self.tokenizer.encode_batch(list(texts))
        length = max(len(one.ids) for one in encodings)
        ids, shapes = np.zeros((2, len(texts), length), np.int64)
        for row, (text, one) in enumerate(zip(texts, encodings, strict=True)):
            ids[row, : len(one.ids)] = one.ids
            shapes[row, : len(one.ids)] = shapes_of(text, one.word_ids, one.offsets)
        return {
            "input_ids": ids,
            "attention_mask": (ids != 0).astype(np.int64),
            "shape_ids": shapes,
        }


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
    one = shipped.tokenizer.encode(text)
    words = one.word_ids
    firsts = [place for place, word in enumerate(words) if word not in (None, words[place - 1])]

    found = TagDecoder(shipped.manifest.labels).decode(shipped.run(shipped.batch(text))[0][firsts])

    ends = {word: offset[1] for word, offset in zip(words, one.offsets, strict=True)}
    spans = [
        (text[one.offsets[firsts[e.first]][0] : ends[words[firsts[e.last]]]], e.type) for e in found
    ]
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
