"""A trained model becomes a version's folder, once it has shown that it is good enough."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from torch import nn

from mlmesh.registry.manifest import (
    MODEL_FILE,
    Evaluation,
    Feature,
    Golden,
    Manifest,
    Tensor,
    Training,
    sha256_of,
    write_manifest,
)
from predictor.training.evaluation import accuracy_interval, metrics_of, shares
from predictor.training.fidelity import TOLERANCE, Fidelity, Graph, Refused, answers_of, check
from predictor.training.onnx_export import OUTPUT, export_onnx
from predictor.training.rows import Inputs, Probabilities, Rows, shortest, take

GOLDEN_ROWS = 16
EXAMPLE_ROWS = 3
LICENCE = "MIT"


@dataclass(frozen=True, slots=True)
class Trained:
    """What a recipe hands over: a model with all that its manifest says of it."""

    name: str
    version: str
    description: str
    model: nn.Module
    """Gives one score per class; takes the inputs of `test` in their order."""
    features: tuple[Feature, ...]
    labels: tuple[str, ...]
    training: Training
    test: Rows
    baselines: dict[str, dict[str, float]]
    metrics: dict[str, float]
    """Figures beside those that every release computes."""
    remarks: Callable[[Probabilities], str]
    """Notes on the answers for the test rows."""
    limits: tuple[str, ...]
    floors: dict[str, float]
    """Metrics below which the model is not shipped."""


@dataclass(frozen=True, slots=True)
class Release:
    manifest: Manifest
    fidelity: Fidelity
    probabilities: Probabilities
    """The shipped graph's answers for the test rows."""
    labels: NDArray[np.int64]


def release(trained: Trained, models: Path) -> Release:
    """Write `<models>/<name>/<version>`, replacing what is there; raises Refused and writes nothing
    when the graph is unfaithful or a figure is below its floor."""
    models.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=models) as temporary:
        staging = Path(temporary) / trained.version
        staging.mkdir()
        path = staging / MODEL_FILE
        inputs = trained.test.inputs
        export_onnx(trained.model, take(inputs, np.arange(EXAMPLE_ROWS)), path)
        graph = Graph(path)
        fidelity = check(graph, trained.model, inputs)
        probabilities = shares(graph(inputs))
        manifest = _manifest(trained, path, probabilities)
        _refuse_below(trained, manifest.evaluation.metrics)
        write_manifest(staging, manifest)
        _move(staging, models / trained.name / trained.version)
    return Release(manifest, fidelity, probabilities, trained.test.labels)


def _manifest(trained: Trained, path: Path, probabilities: Probabilities) -> Manifest:
    test = trained.test
    graph = onnx.load(path).graph
    return Manifest(
        name=trained.name,
        version=trained.version,
        task="classification",
        description=trained.description,
        licence=LICENCE,
        files={MODEL_FILE: sha256_of(path)},
        inputs=tuple(_tensor(value) for value in graph.input),
        outputs=tuple(_tensor(value) for value in graph.output),
        features=trained.features,
        labels=trained.labels,
        training=trained.training,
        evaluation=Evaluation(
            rows=len(test),
            metrics={
                **metrics_of(probabilities, test.labels),
                **accuracy_interval(probabilities, test.labels, trained.training.seed),
                **trained.metrics,
            },
            baselines=trained.baselines,
            notes=trained.remarks(probabilities),
        ),
        limits=trained.limits,
        golden=_golden(trained),
    )


def _golden(trained: Trained) -> Golden:
    chosen = np.linspace(0, len(trained.test) - 1, GOLDEN_ROWS).astype(np.int64)
    inputs = take(trained.test.inputs, chosen)
    return Golden(
        inputs=_lists(inputs),
        outputs=_lists({OUTPUT: answers_of(trained.model, inputs)}),
        tolerance=TOLERANCE,
    )


def _lists(arrays: Inputs) -> dict[str, list[list[float]]]:
    return {
        name: [[shortest(value) for value in row] for row in values]
        for name, values in arrays.items()
    }


def _tensor(value: onnx.ValueInfoProto) -> Tensor:
    tensor = value.type.tensor_type
    shape = [axis.dim_value if axis.HasField("dim_value") else None for axis in tensor.shape.dim]
    dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name
    return Tensor.model_validate({"name": value.name, "dtype": dtype, "shape": shape})


def _refuse_below(trained: Trained, metrics: dict[str, float]) -> None:
    for name, floor in trained.floors.items():
        if not metrics[name] >= floor:
            raise Refused(
                f"{trained.name} {trained.version}: {name} {metrics[name]:.4f} is below {floor}"
            )


def _move(staging: Path, target: Path) -> None:
    if target.exists():
        shutil.rmtree(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    staging.rename(target)
