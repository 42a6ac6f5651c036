"""The recipes, run on made-up sets in the formats of the real ones."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

pytest.importorskip("torch")
pytest.importorskip("onnxscript")

from mlmesh.registry.manifest import MODEL_FILE, Manifest, read_manifest, sha256_of
from tests.vision.training.tiny_sets import tiny_start, write_sets
from vision.export import RECIPES
from vision.training.fidelity import TOLERANCES, Refused, check
from vision.training.graph import Graph
from vision.training.plots import draw_plots
from vision.training.release import BEFORE_ROUNDING, Release, Trained, release
from vision.training.sample_answers import answers_file, read_answers
from vision.training.served_models import ServedClassifier
from vision.training.sheets import draw_sheets

TASKS = {"classifier": "classification", "detector": "detection", "segmenter": "segmentation"}
every_model = pytest.mark.parametrize("name", TASKS)


@dataclass(frozen=True, slots=True)
class Exported:
    folder: Path
    trained: dict[str, Trained]
    releases: dict[str, Release]

    def version(self, name: str) -> Path:
        return self.folder / "models" / name / "v1.0"

    def manifest(self, name: str) -> Manifest:
        return read_manifest(self.version(name))


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder = tmp_path_factory.mktemp("export")
    write_sets(folder / "data")
    start = tiny_start(folder / "data", folder / "checkpoints")
    trained = {name: recipe(start) for name, recipe in RECIPES.items()}
    # A handful of steps on coloured shapes is nothing that could be shipped.
    releases = {
        name: release(replace(one, floors={}), folder / "models") for name, one in trained.items()
    }
    return Exported(folder, trained, releases)


@every_model
def test_a_version_is_its_graph_and_its_manifest(exported: Exported, name: str) -> None:
    folder, manifest = exported.version(name), exported.manifest(name)

    assert {path.name for path in folder.iterdir()} == {"manifest.json", *manifest.files}
    assert manifest.files == {MODEL_FILE: sha256_of(folder / MODEL_FILE)}
    assert (manifest.name, manifest.task) == (name, TASKS[name])
    assert manifest.service == "mlmesh.v1.VisionService"
    assert manifest.training.seconds >= 0
    assert manifest.training.rows > 0


@every_model
def test_the_graph_has_the_signature_that_the_service_asks_for(
    exported: Exported, name: str
) -> None:
    manifest = exported.manifest(name)
    side = {"classifier": 32}.get(name, 224)
    outputs = {
        "classifier": [("probabilities", "float32", (None, 10))],
        "detector": [("boxes", "float32", (None, 784, 4)), ("scores", "float32", (None, 784, 3))],
        "segmenter": [
            ("mask", "uint8", (None, 224, 224)),
            ("mask_confidence", "float32", (None, 224, 224)),
        ],
    }[name]

    [given] = manifest.inputs

    assert (given.name, given.dtype, given.shape) == ("image", "uint8", (None, side, side, 3))
    assert [(one.name, one.dtype, one.shape) for one in manifest.outputs] == outputs


@every_model
def test_the_graph_answers_as_torch_did(exported: Exported, name: str) -> None:
    pictures, expected = read_answers(answers_file(exported.folder / "models", name, "v1.0"))
    answers = Graph(exported.version(name) / MODEL_FILE)(pictures)

    assert answers.keys() == expected.keys()
    for output, values in expected.items():
        if values.dtype == np.uint8:
            assert (answers[output] != values).mean() <= TOLERANCES[output]
        else:
            assert np.abs(answers[output] - values).max() <= TOLERANCES[output]


@every_model
def test_neither_the_batch_nor_the_runtime_changes_an_answer(exported: Exported, name: str) -> None:
    fidelity = exported.releases[name].fidelity

    for output, difference in fidelity.from_torch.items():
        assert difference <= TOLERANCES[output]
        assert fidelity.from_neighbours[output] <= TOLERANCES[output] / 10


@every_model
def test_weights_are_stored_as_int8(exported: Exported, name: str) -> None:
    graph = onnx.load(exported.version(name) / MODEL_FILE).graph

    sizes = {
        kind: sum(int(np.prod(one.dims)) for one in graph.initializer if one.data_type == number)
        for kind, number in (("int8", onnx.TensorProto.INT8), ("float", onnx.TensorProto.FLOAT))
    }

    assert sizes["int8"] > 20 * sizes["float"]


@every_model
def test_the_card_compares_with_the_weights_before_rounding(exported: Exported, name: str) -> None:
    evaluation = exported.manifest(name).evaluation

    assert evaluation.metrics.keys() == evaluation.baselines[BEFORE_ROUNDING].keys()
    assert "argets" in evaluation.notes


def test_detector_and_segmenter_are_halves_of_one_network(exported: Exported) -> None:
    detector, segmenter = (exported.trained[name].training for name in ("detector", "segmenter"))

    assert detector.seconds == segmenter.seconds
    assert (exported.folder / "checkpoints" / "scenes.pt").exists()


def test_plots_are_small_files(exported: Exported, tmp_path: Path) -> None:
    draw_plots(exported.folder / "data", exported.folder / "models", tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == {
        "vision-classifier-confusion.png",
        "vision-classifier-reliability.png",
        "vision-detector-precision.png",
        "vision-segmenter-overlap.png",
    }
    assert all(path.stat().st_size < 100_000 for path in tmp_path.iterdir())


def test_sheets_show_hits_and_misses_of_every_set(exported: Exported, tmp_path: Path) -> None:
    draw_sheets(exported.folder / "data", exported.folder / "models", tmp_path)

    sets = {path.name.rpartition("-")[0] for path in tmp_path.iterdir()}

    assert sets == {
        *(f"classifier-{name}" for name in ("cifar", "pets", "cut_pets", "coco_crops")),
        *(f"detector-{name}" for name in ("pf_test", "pet_test", "pet_other_test", "coco_val")),
        *(f"segmenter-{name}" for name in ("pf_test", "pet_test", "pet_other_test")),
    }
    with Image.open(tmp_path / "detector-pf_test-misses.png") as sheet:
        assert sheet.size == (6 * 224, 4 * 240)


def test_a_recipe_repeats_itself(exported: Exported, tmp_path: Path) -> None:
    start = tiny_start(exported.folder / "data", tmp_path)

    again = release(replace(RECIPES["classifier"](start), floors={}), tmp_path / "models")

    assert again.manifest.files[MODEL_FILE] == exported.manifest("classifier").files[MODEL_FILE]


def test_a_model_below_its_floor_is_not_written(exported: Exported, tmp_path: Path) -> None:
    trained = replace(exported.trained["classifier"], floors={"cifar_accuracy": 1.01})

    with pytest.raises(Refused, match=r"cifar_accuracy 0\.\d+ is below 1\.01|1\.0000 is below"):
        release(trained, tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_a_graph_of_other_weights_is_refused(exported: Exported) -> None:
    trained = exported.trained["classifier"]
    other = deepcopy(trained.model)
    assert isinstance(other, ServedClassifier)
    other.model.head.weight.data.mul_(3)

    with pytest.raises(Refused, match="onnxruntime and torch differ"):
        check(exported.version("classifier") / MODEL_FILE, other, trained.outputs, trained.probes)
