"""The versions that the predictor ships, judged by their files alone, without torch and data."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from mlmesh.registry.manifest import MODEL_FILE, Manifest, read_manifest, sha256_of
from predictor.training.figures import markdown_figures, read_manifests

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "predictor" / "models"
VERSIONS = ("adult-income/v1.0", "adult-income/v2.0", "penguins/v1.0")
LARGEST_FILE = 1_000_000
FLOORS = {
    "adult-income/v1.0": {"accuracy": 0.85, "auc": 0.905},
    "adult-income/v2.0": {"accuracy": 0.86, "auc": 0.915},
    "penguins/v1.0": {"accuracy": 0.95, "cross_validation_accuracy": 0.97},
}
every_version = pytest.mark.parametrize("version", VERSIONS)


def session_of(version: str) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(
        MODELS / version / MODEL_FILE, providers=["CPUExecutionProvider"]
    )


def answers(version: str, inputs: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
    answer: NDArray[np.float32] = session_of(version).run(["probabilities"], inputs)[0]
    return answer


def golden_inputs(manifest: Manifest) -> dict[str, NDArray[Any]]:
    assert manifest.golden is not None
    return {
        tensor.name: np.array(manifest.golden.inputs[tensor.name], tensor.dtype)
        for tensor in manifest.inputs
    }


def random_inputs(manifest: Manifest, rows: int) -> dict[str, NDArray[Any]]:
    """Rows from the training ranges and beyond."""
    random = np.random.default_rng(0)
    inputs = {
        tensor.name: np.zeros((rows, tensor.shape[1] or 0), tensor.dtype)
        for tensor in manifest.inputs
    }
    for feature in manifest.features:
        if feature.kind == "categorical":
            values: NDArray[Any] = random.integers(len(feature.categories), size=rows)
        else:
            assert feature.maximum is not None
            values = random.uniform(0, 1.2 * feature.maximum, size=rows)
        inputs[feature.input][:, feature.column] = values
    return inputs


def test_the_folder_holds_exactly_these_versions() -> None:
    found = [path.parent.relative_to(MODELS).as_posix() for path in MODELS.rglob(MODEL_FILE)]

    assert sorted(found) == sorted(VERSIONS)


@every_version
def test_a_version_is_its_graph_and_its_manifest_and_the_digest_is_right(version: str) -> None:
    folder = MODELS / version

    manifest = read_manifest(folder)

    assert f"{manifest.name}/{manifest.version}" == version
    assert {path.name for path in folder.iterdir()} == {"manifest.json", *manifest.files}
    for name, digest in manifest.files.items():
        assert sha256_of(folder / name) == digest


@every_version
def test_files_are_small(version: str) -> None:
    sizes = [path.stat().st_size for path in (MODELS / version).iterdir()]

    assert max(sizes) < LARGEST_FILE


@every_version
def test_the_graph_has_the_inputs_and_outputs_of_the_manifest(version: str) -> None:
    manifest = read_manifest(MODELS / version)
    session = session_of(version)

    for tensors, values in (
        (manifest.inputs, session.get_inputs()),
        (manifest.outputs, session.get_outputs()),
    ):
        assert [tensor.name for tensor in tensors] == [value.name for value in values]
        for tensor, value in zip(tensors, values, strict=True):
            free = [None if isinstance(size, str) else size for size in value.shape]
            assert list(tensor.shape) == free
            assert value.type == f"tensor({tensor.dtype.replace('float32', 'float')})"


@every_version
def test_features_fill_the_inputs_and_labels_the_output(version: str) -> None:
    manifest = read_manifest(MODELS / version)

    places = sorted((feature.input, feature.column) for feature in manifest.features)

    assert places == sorted(
        (tensor.name, column)
        for tensor in manifest.inputs
        for column in range(tensor.shape[1] or 0)
    )
    assert manifest.outputs[0].shape == (None, len(manifest.labels))


@every_version
def test_onnxruntime_answers_as_torch_did(version: str) -> None:
    manifest = read_manifest(MODELS / version)
    assert manifest.golden is not None
    expected = np.array(manifest.golden.outputs["probabilities"])

    got = answers(version, golden_inputs(manifest))

    assert len(expected) == 16
    assert np.abs(got - expected).max() <= manifest.golden.tolerance <= 1e-5


@every_version
@pytest.mark.parametrize("size", [2, 7, 32, 64])
def test_a_row_gets_the_same_answer_alone_and_among_others(version: str, size: int) -> None:
    inputs = random_inputs(read_manifest(MODELS / version), size)

    together = answers(version, inputs)
    alone = np.concatenate(
        [
            answers(version, {name: column[row : row + 1] for name, column in inputs.items()})
            for row in range(size)
        ]
    )

    # Measured on x86-64 only; elsewhere a single row may take another path through the kernels.
    allowed = 0 if platform.machine() in ("x86_64", "AMD64") else 1e-6
    assert np.abs(together - alone).max() <= allowed


@every_version
def test_answers_are_probabilities_even_outside_the_training_ranges(version: str) -> None:
    inputs = random_inputs(read_manifest(MODELS / version), 500)

    got = answers(version, inputs)

    assert got.min() >= 0
    assert np.abs(got.sum(axis=1) - 1).max() < 1e-6


@every_version
def test_the_graph_tells_nothing_of_the_machine_it_came_from(version: str) -> None:
    path = MODELS / version / MODEL_FILE
    model = onnx.load(path)

    parts: tuple[Any, ...] = (model, model.graph, *model.graph.node)
    content = path.read_bytes() + path.with_name("manifest.json").read_bytes()

    assert not any(part.doc_string or part.metadata_props for part in parts)
    assert not any(
        trace in content for trace in (b"/home", b"/root", b"/work", b"/usr", b"/tmp", b".py")
    )


@every_version
def test_the_figures_are_good_enough_to_ship(version: str) -> None:
    metrics = read_manifest(MODELS / version).evaluation.metrics

    for name, floor in FLOORS[version].items():
        assert metrics[name] >= floor, name
    assert metrics["accuracy_low"] < metrics["accuracy"] <= metrics["accuracy_high"]
    assert metrics["calibration_error"] < 0.02


@every_version
def test_a_card_says_where_the_weights_come_from_and_what_the_model_is_not(version: str) -> None:
    manifest = read_manifest(MODELS / version)

    assert manifest.licence == "MIT"
    assert manifest.training.licence in ("CC0-1.0", "CC-BY-4.0")
    assert manifest.training.citation
    assert manifest.limits
    assert set(manifest.evaluation.baselines) >= {"logistic_regression", "gradient_boosting"}
    assert all(feature.description for feature in manifest.features)


@pytest.mark.parametrize("version", ["adult-income/v1.0", "adult-income/v2.0"])
def test_the_income_models_never_see_race_sex_or_country(version: str) -> None:
    manifest = read_manifest(MODELS / version)

    assert [feature.name for feature in manifest.features] == [
        "age", "education_num", "capital_gain", "capital_loss", "hours_per_week",
        "workclass", "marital_status", "occupation", "relationship",
    ]  # fmt: skip


def test_the_page_about_the_models_says_what_their_manifests_say() -> None:
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")

    figures = markdown_figures(read_manifests(MODELS))

    assert figures in page
    for manifest in read_manifests(MODELS):
        assert f"| **{manifest.name} {manifest.version}** |" in page
        assert f"{manifest.evaluation.metrics['accuracy']:.4f}" in page
