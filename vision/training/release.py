"""A trained model becomes a version's folder, once it has shown that it is good enough."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx
from torch import nn

from mlmesh.registry.manifest import (
    MODEL_FILE,
    Evaluation,
    Manifest,
    Tensor,
    Training,
    sha256_of,
    write_manifest,
)
from vision.training.fidelity import Fidelity, Refused, answers_of, check
from vision.training.graph import Graph, Pictures
from vision.training.int8_storage import as_stored, store_int8
from vision.training.onnx_export import exported, write_graph
from vision.training.sample_answers import answers_file, drawn_pictures, write_answers

SERVICE = "mlmesh.v1.VisionService"
LICENCE = "MIT"
VERSION = "v1.0"
BEFORE_ROUNDING = "weights before rounding"
Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Trained:
    """What a recipe hands over: a model with all that its manifest says of it."""

    name: str
    task: str
    description: str
    model: nn.Module
    """Takes uint8 [rows, side, side, 3]; gives `outputs`."""
    side: int
    outputs: tuple[str, ...]
    labels: tuple[str, ...]
    probes: Pictures
    """Pictures on which the graph is compared with torch."""
    training: Training
    rows: int
    """Pictures that are tested."""
    figures: Callable[[Graph], Figures]
    baselines: Mapping[str, Figures]
    notes: str
    limits: tuple[str, ...]
    floors: Mapping[str, float]
    """Figures below which the model is not shipped."""
    targets: Mapping[str, float]
    """Figures that it was meant to reach."""


@dataclass(frozen=True, slots=True)
class Release:
    manifest: Manifest
    fidelity: Fidelity
    missed: Mapping[str, float]
    """By how much, of the targets that were not reached."""


def release(trained: Trained, models: Path) -> Release:
    """Write `<models>/<name>/<version>`, replacing what is there; raises Refused and writes no
    version when the graph is unfaithful or a figure is below its floor."""
    models.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=models) as temporary:
        staging = Path(temporary) / VERSION
        staging.mkdir()
        path = staging / MODEL_FILE
        exact = Path(temporary) / "exact.onnx"
        graph = exported(trained.model, trained.side, trained.outputs)
        write_graph(graph, exact)
        store_int8(graph)
        write_graph(graph, path)
        fidelity = check(path, trained.model, trained.outputs, trained.probes)
        metrics = trained.figures(Graph(path))
        _refuse_below(trained, metrics)
        baselines = {BEFORE_ROUNDING: trained.figures(Graph(exact)), **trained.baselines}
        drawn = drawn_pictures(trained.side)
        answers = answers_of(as_stored(trained.model), trained.outputs, drawn)
        missed = {
            name: round(target - metrics[name], 4)
            for name, target in trained.targets.items()
            if metrics[name] < target
        }
        evaluation = Evaluation(
            rows=trained.rows,
            metrics=metrics,
            baselines=baselines,
            notes=f"{trained.notes} {_said(missed)}",
        )
        manifest = _manifest(trained, staging, evaluation)
        write_manifest(staging, manifest)
        _move(staging, models / trained.name / VERSION)
        write_answers(answers_file(models, trained.name, VERSION), drawn, answers)
    return Release(manifest, fidelity, missed)


def _manifest(trained: Trained, folder: Path, evaluation: Evaluation) -> Manifest:
    graph = onnx.load(folder / MODEL_FILE).graph
    return Manifest(
        name=trained.name,
        version=VERSION,
        service=SERVICE,
        task=trained.task,
        description=trained.description,
        licence=LICENCE,
        files={MODEL_FILE: sha256_of(folder / MODEL_FILE)},
        inputs=tuple(_tensor(value) for value in graph.input),
        outputs=tuple(_tensor(value) for value in graph.output),
        labels=trained.labels,
        scores="scores" if "scores" in trained.outputs else "",
        training=trained.training,
        evaluation=evaluation,
        limits=trained.limits,
    )


def _tensor(value: onnx.ValueInfoProto) -> Tensor:
    tensor = value.type.tensor_type
    shape = [axis.dim_value if axis.HasField("dim_value") else None for axis in tensor.shape.dim]
    dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name
    return Tensor.model_validate({"name": value.name, "dtype": dtype, "shape": shape})


def _said(missed: Mapping[str, float]) -> str:
    if not missed:
        return "All targets were reached."
    gaps = ", ".join(f"{name.replace('_', ' ')} by {gap:.4f}" for name, gap in missed.items())
    return f"Targets that were missed: {gaps}."


def _refuse_below(trained: Trained, metrics: Figures) -> None:
    for name, floor in trained.floors.items():
        if not metrics[name] >= floor:
            raise Refused(f"{trained.name}: {name} {metrics[name]:.4f} is below {floor}")


def _move(staging: Path, target: Path) -> None:
    if target.exists():
        shutil.rmtree(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    staging.rename(target)
