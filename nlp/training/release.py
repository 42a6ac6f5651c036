"""A trained model becomes a version's folder, once it has shown that it is good enough."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from torch import nn

from mlmesh.registry.manifest import (
    MANIFEST_FILE,
    MODEL_FILE,
    Batching,
    Evaluation,
    Golden,
    Lengths,
    Manifest,
    Tensor,
    Training,
    read_manifest,
    sha256_of,
    write_manifest,
)
from nlp.training.fidelity import Fidelity, Refused, answers_of, check
from nlp.training.graph import Encoded, Graph, batch_of
from nlp.training.int8_storage import TOKENS_FILE
from nlp.training.onnx_export import export_onnx

SERVICE = "mlmesh.v1.NlpService"
LICENCE = "Apache-2.0"
BLOBS = "blobs"
TOKENIZER_FILE = "tokenizer.json"
DIGITS = 6
PROBES = 24
"""Texts on which the graph is compared with torch."""
GOLDEN = 4
LENGTHS = (16, 24, 32, 48, 64, 96, 128, 192, 256)
FLOAT_ROWS = "computed with floats"


@dataclass(frozen=True, slots=True)
class Trained:
    """What a recipe hands over: a model with all that its manifest says of it."""

    name: str
    version: str
    description: str
    model: nn.Module
    """Takes arrays by the names of a batch, in its order; gives `output`."""
    output: str
    per_piece: bool
    """Whether the output's second axis is as long as the text."""
    labels: tuple[str, ...]
    longest: int
    """Pieces of a text in one run: no longer ones were learnt or tested."""
    tokenizer: str
    """Content of tokenizer.json."""
    sample: Sequence[Encoded]
    """Texts that the int8 scales are fitted to; nothing that is tested."""
    largest_difference: float
    """What int8 may change the output of one text by."""
    training: Training
    rows: int
    """Texts that are tested."""
    figures: Callable[[Graph], dict[str, float]]
    baselines: dict[str, dict[str, float]]
    notes: str
    limits: tuple[str, ...]
    floors: dict[str, float]
    """Figures below which the model is not shipped."""


@dataclass(frozen=True, slots=True)
class Release:
    manifest: Manifest
    fidelity: Fidelity


def release(trained: Trained, models: Path) -> Release:
    """Write `<models>/<name>/<version>` and its blobs, replacing what is there; raises Refused and
    writes no version when the graph is unfaithful or a figure is below its floor."""
    models.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=models) as temporary:
        staging = Path(temporary) / trained.version
        staging.mkdir()
        export_onnx(trained.model, trained.output, trained.sample, staging)
        path = staging / MODEL_FILE
        probes = trained.sample[:PROBES]
        fidelity = check(path, trained.model, probes, trained.largest_difference)
        (staging / TOKENIZER_FILE).write_text(trained.tokenizer, encoding="utf-8")
        metrics = trained.figures(Graph(path, "int8"))
        _refuse_below(trained, metrics)
        baselines = {FLOAT_ROWS: trained.figures(Graph(path, "float")), **trained.baselines}
        blobs = {name: _move_blob(staging / name, models) for name in (TOKENS_FILE, TOKENIZER_FILE)}
        evaluation = Evaluation(
            rows=trained.rows, metrics=metrics, baselines=baselines, notes=trained.notes
        )
        manifest = _manifest(trained, path, blobs, evaluation)
        write_manifest(staging, manifest)
        _move(staging, models / trained.name / trained.version)
    return Release(manifest, fidelity)


def _manifest(
    trained: Trained, path: Path, blobs: dict[str, str], evaluation: Evaluation
) -> Manifest:
    graph = onnx.load(path, load_external_data=False).graph
    inputs = tuple(_tensor(value) for value in graph.input)
    lengths = Lengths(
        inputs={tensor.name: 0 for tensor in inputs},
        outputs=(trained.output,) if trained.per_piece else (),
        buckets=tuple(size for size in LENGTHS if size <= trained.longest),
    )
    return Manifest(
        name=trained.name,
        version=trained.version,
        service=SERVICE,
        task=trained.name,
        description=trained.description,
        licence=LICENCE,
        files={MODEL_FILE: sha256_of(path)},
        blobs=blobs,
        inputs=inputs,
        outputs=tuple(_tensor(value) for value in graph.output),
        labels=trained.labels,
        batching=Batching(lengths=lengths),
        training=trained.training,
        evaluation=evaluation,
        limits=trained.limits,
        golden=_golden(trained),
    )


def _golden(trained: Trained) -> Golden:
    """What torch answers with the weights as they were learnt."""
    shortest = sorted(trained.sample[:PROBES], key=len)[:GOLDEN]
    length = max(map(len, shortest))
    answers = answers_of(trained.model, [_filled(text, length) for text in shortest])
    return Golden(
        inputs={name: values.tolist() for name, values in batch_of(shortest).items()},
        outputs={trained.output: np.stack(answers).astype(float).round(DIGITS).tolist()},
        tolerance=trained.largest_difference,
    )


def _filled(text: Encoded, length: int) -> Encoded:
    """Padding is answered, too, where the output has one value per piece."""
    rest = [0] * (length - len(text))
    return Encoded(text.pieces + rest, None if text.shapes is None else text.shapes + rest)


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


def _move_blob(path: Path, models: Path) -> str:
    digest = sha256_of(path)
    blobs = models / BLOBS
    blobs.mkdir(exist_ok=True)
    path.replace(blobs / digest)
    return digest


def _move(staging: Path, target: Path) -> None:
    if target.exists():
        shutil.rmtree(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    staging.rename(target)


def remove_unused_blobs(models: Path) -> None:
    """Remove what no version names any more."""
    used = {
        digest
        for path in models.glob(f"*/*/{MANIFEST_FILE}")
        for digest in read_manifest(path.parent).blobs.values()
    }
    for path in (models / BLOBS).iterdir():
        if path.name not in used:
            path.unlink()
