"""The versions that the vision service ships, judged by their files alone, without torch and
data."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from mlmesh.evaluation.figure_table import markdown_figures, read_manifests
from mlmesh.registry.manifest import MODEL_FILE, Manifest, read_manifest, sha256_of
from mlmesh.registry.pins import PINS_FILE, pins_of, read_pins
from vision.training.sample_answers import answers_file, read_answers

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "vision" / "models"
NAMES = ("classifier", "detector", "segmenter")
MOST_BYTES = 12_000_000
FLOORS = {
    "classifier": {"cifar_accuracy": 0.915, "pets_accuracy": 0.84},
    "detector": {
        "pf_test_person_ap50": 0.80,
        "pet_test_cat_ap50": 0.90,
        "pet_test_dog_ap50": 0.95,
    },
    "segmenter": {
        "pf_test_person_iou": 0.62,
        "pet_test_cat_iou": 0.70,
        "pet_test_dog_iou": 0.68,
    },
}
LARGEST_LOSS = 0.005
"""How much worse weights of int8 may be than those that were learnt."""
TOLERANCES = {
    "probabilities": 1e-3,
    "boxes": 0.1,
    "scores": 1e-3,
    "mask": 1e-3,
    "mask_confidence": 5e-3,
}
"""How far another processor may be from torch: probabilities, pixels, and the share of the pixels
of a mask that are of another class."""
every_model = pytest.mark.parametrize("name", NAMES)
Answers = dict[str, NDArray[Any]]


def folder_of(name: str) -> Path:
    return MODELS / name / "v1.0"


def card(name: str) -> Manifest:
    return read_manifest(folder_of(name))


@functools.cache
def session(name: str) -> Any:
    """Opened as anybody would, without any options."""
    return onnxruntime.InferenceSession(
        folder_of(name) / MODEL_FILE, providers=["CPUExecutionProvider"]
    )


def run(name: str, pictures: NDArray[np.uint8]) -> Answers:
    names = [one.name for one in session(name).get_outputs()]
    return dict(zip(names, session(name).run(names, {"image": pictures}), strict=True))


def samples(name: str) -> tuple[NDArray[np.uint8], Answers]:
    return read_answers(answers_file(MODELS, name, "v1.0"))


def test_the_folder_holds_exactly_these_versions() -> None:
    found = [path.parent.relative_to(MODELS).as_posix() for path in MODELS.rglob(MODEL_FILE)]

    assert sorted(found) == [f"{name}/v1.0" for name in NAMES]
    assert read_pins(MODELS.with_name(PINS_FILE)) == pins_of(MODELS)


def test_everything_together_is_small() -> None:
    assert sum(path.stat().st_size for path in MODELS.rglob("*") if path.is_file()) < MOST_BYTES


@every_model
def test_digests_are_right(name: str) -> None:
    files = card(name).files

    assert {path.name for path in folder_of(name).iterdir()} == {"manifest.json", *files}
    for file, digest in files.items():
        assert sha256_of(folder_of(name) / file) == digest


@every_model
def test_onnxruntime_answers_as_torch_did(name: str) -> None:
    pictures, expected = samples(name)

    answers = run(name, pictures)

    assert answers.keys() == expected.keys() == {one.name for one in card(name).outputs}
    for output, values in expected.items():
        different = answers[output] != values
        distance = (
            different.mean() if values.dtype == np.uint8 else np.abs(answers[output] - values).max()
        )
        assert distance <= TOLERANCES[output], output


@every_model
def test_a_picture_gets_the_same_answer_alone_and_among_others(name: str) -> None:
    pictures, _ = samples(name)

    together = run(name, pictures)

    for row in range(len(pictures)):
        for output, values in run(name, pictures[row : row + 1]).items():
            assert np.abs(together[output][row].astype(float) - values[0]).max() < 1e-3


@every_model
def test_any_number_of_pictures_is_taken(name: str) -> None:
    pictures, _ = samples(name)

    for rows in (1, 2, 5):
        answers = run(name, np.repeat(pictures[:1], rows, axis=0))
        assert {len(values) for values in answers.values()} == {rows}


def test_probabilities_add_up_to_one() -> None:
    shares = run("classifier", samples("classifier")[0])["probabilities"]

    assert shares.min() >= 0
    assert np.abs(shares.sum(axis=1) - 1).max() < 1e-5


def test_the_classifier_answers_a_picture_and_its_mirror_image_alike() -> None:
    pictures, _ = samples("classifier")
    mirrored = np.ascontiguousarray(pictures[:, :, ::-1])

    one, other = (run("classifier", some)["probabilities"] for some in (pictures, mirrored))

    assert np.abs(one - other).max() < 1e-4


def test_boxes_are_boxes_and_scores_are_shares() -> None:
    answers = run("detector", samples("detector")[0])

    assert (answers["boxes"][..., 2:] >= answers["boxes"][..., :2]).all()
    assert answers["scores"].min() >= 0
    assert answers["scores"].max() <= 1


def test_masks_hold_known_classes_that_are_at_least_a_little_sure() -> None:
    answers = run("segmenter", samples("segmenter")[0])

    assert answers["mask"].max() < len(card("segmenter").labels)
    assert answers["mask_confidence"].min() >= 0.25 - 1e-6
    assert answers["mask_confidence"].max() <= 1 + 1e-6


def test_grey_holds_nothing() -> None:
    grey = np.full((1, 224, 224, 3), 114, np.uint8)

    assert run("detector", grey)["scores"].max() < 0.5
    assert (run("segmenter", grey)["mask"] == 0).mean() > 0.95


@every_model
def test_the_figures_are_good_enough_to_ship(name: str) -> None:
    evaluation = card(name).evaluation
    learnt = evaluation.baselines["weights before rounding"]

    for figure, floor in FLOORS[name].items():
        assert evaluation.metrics[figure] >= floor, figure
        assert evaluation.metrics[figure] >= learnt[figure] - LARGEST_LOSS, figure
        assert evaluation.metrics[f"{figure}_low"] < evaluation.metrics[figure]


@every_model
def test_a_card_says_where_the_weights_come_from_and_what_the_model_is_not(name: str) -> None:
    manifest = card(name)

    assert manifest.service == "mlmesh.v1.VisionService"
    assert manifest.licence == "MIT"
    assert manifest.training.data
    assert manifest.training.licence
    assert manifest.training.citation
    assert manifest.training.split
    assert manifest.training.seconds > 60
    assert len(manifest.limits) >= 4
    assert "argets" in manifest.evaluation.notes


@every_model
def test_the_graph_tells_nothing_of_the_machine_it_came_from(name: str) -> None:
    model = onnx.load(folder_of(name) / MODEL_FILE)
    manifest = (folder_of(name) / "manifest.json").read_bytes()
    parts: tuple[Any, ...] = (model, model.graph, *model.graph.node)

    assert not any(part.doc_string or part.metadata_props for part in parts)
    assert not any(trace in manifest for trace in (b"/home", b"/root", b"/work", b"/usr", b"/tmp"))


def test_the_page_about_the_models_says_what_their_manifests_say() -> None:
    page = (ROOT / "docs" / "vision-models.md").read_text(encoding="utf-8")

    assert markdown_figures(read_manifests(MODELS)) in page
