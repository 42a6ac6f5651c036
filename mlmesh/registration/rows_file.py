"""Rows that somebody has: golden rows, or a set to evaluate on, as .npz, .json or .csv."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mlmesh.registration.refusal import Refused
from mlmesh.registration.rows import Array, Arrays, as_dtype
from mlmesh.registry.manifest import Feature, Tensor

LABELS = "labels"
LABEL_COLUMNS = ("label", "labels", "target", "class")
MAX_BYTES = 2**30


@dataclass(frozen=True, slots=True)
class Rows:
    """Inputs, and what is known of the right answers."""

    inputs: Arrays
    outputs: Arrays = field(default_factory=dict)
    """What the graph should answer, by output."""
    labels: tuple[str, ...] = ()
    """The true class of every row, by name or number; empty when it is not known."""

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))


def read_rows(
    path: Path,
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor] = (),
    features: Sequence[Feature] = (),
) -> Rows:
    """Read rows for these inputs; raises Refused.

    .npz: arrays by the names of inputs and outputs, and `labels`. .json: {"inputs": {...},
    "outputs": {...}, "labels": [...]}. .csv: a column for every feature, and `label`.
    """
    try:
        if path.exists() and not path.is_file():
            raise Refused(f"{path}: not a regular file")
        if path.stat().st_size > MAX_BYTES:
            raise Refused(f"{path}: larger than {MAX_BYTES:,} bytes; take a sample of the rows")
        if path.suffix == ".csv":
            return _checked(path, _from_csv(path, inputs, features))
        said = _from_npz(path) if path.suffix == ".npz" else _from_json(path)
        return _checked(path, _fitted(path, said, inputs, outputs))
    except OSError as error:
        raise Refused(f"{path}: {error.strerror or error}") from None
    except (ValueError, KeyError, RecursionError) as error:
        raise Refused(f"{path}: {error}") from None


def _from_npz(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _from_json(path: Path) -> dict[str, Any]:
    if path.suffix != ".json":
        raise ValueError("expected a file that ends in .npz, .json or .csv")
    content = json.loads(path.read_bytes())
    if not isinstance(content, dict) or not isinstance(content.get("inputs"), dict):
        raise ValueError('expected {"inputs": {"name": [[...], ...]}}')
    found = {**content["inputs"], **content.get("outputs", {})}
    if LABELS in content:
        found[LABELS] = content[LABELS]
    return found


def _fitted(
    path: Path, said: Mapping[str, Any], inputs: Sequence[Tensor], outputs: Sequence[Tensor]
) -> Rows:
    missing = [tensor.name for tensor in inputs if tensor.name not in said]
    if missing:
        raise Refused(f"{path}: the graph's input {missing[0]} is missing, there is "
                      f"{', '.join(said) or 'nothing'}")  # fmt: skip
    known = {tensor.name: tensor for tensor in (*inputs, *outputs)}
    arrays = {
        name: as_dtype(np.asarray(said[name]), tensor)
        for name, tensor in known.items()
        if name in said
    }
    labels = tuple(str(label) for label in np.asarray(said[LABELS]).ravel()) \
        if LABELS in said and LABELS not in known else ()  # fmt: skip
    return Rows(
        {tensor.name: arrays[tensor.name] for tensor in inputs},
        {tensor.name: arrays[tensor.name] for tensor in outputs if tensor.name in arrays},
        labels,
    )


def _checked(path: Path, rows: Rows) -> Rows:
    counts = {name: len(array) if array.ndim else 0 for name, array in rows.inputs.items()}
    if rows.labels:
        counts[LABELS] = len(rows.labels)
    if len(set(counts.values())) != 1 or 0 in counts.values():
        said = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise Refused(f"{path}: every input needs the same number of rows, got {said}")
    return rows


def _from_csv(path: Path, inputs: Sequence[Tensor], features: Sequence[Feature]) -> Rows:
    with path.open(newline="", encoding="utf-8") as file:
        header, *lines = [line for line in csv.reader(file) if line] or [[]]
    label = next((at for at, name in enumerate(header) if name in LABEL_COLUMNS), None)
    columns = [at for at in range(len(header)) if at != label]
    if any(len(line) != len(header) for line in lines):
        raise Refused(f"{path}: a line has not as many columns as the first one")
    labels = tuple(line[label] for line in lines) if label is not None else ()
    if not features and len(inputs) == 1 and len(inputs[0].shape) == 2:
        values = np.array([[line[at] for at in columns] for line in lines])
        return Rows({inputs[0].name: as_dtype(values, inputs[0])}, {}, labels)
    places = {name: at for at, name in enumerate(header)}
    arrays: dict[str, Array] = {
        tensor.name: np.zeros(
            (len(lines), sum(one.input == tensor.name for one in features)), np.float64
        )
        for tensor in inputs
    }
    for feature in features:
        if feature.name not in places:
            raise Refused(f"{path}: the column {feature.name} is missing")
        values_of = [line[places[feature.name]] for line in lines]
        arrays[feature.input][:, feature.column] = _encoded(path, feature, values_of)
    fitted = {tensor.name: as_dtype(arrays[tensor.name], tensor) for tensor in inputs}
    return Rows(fitted, {}, labels)


def _encoded(path: Path, feature: Feature, values: Sequence[str]) -> Array:
    try:
        if feature.kind == "numeric":
            return np.array(values, np.float64)
        return np.array([feature.categories.index(value) for value in values], np.float64)
    except ValueError as error:
        raise Refused(f"{path}: {feature.name}: {error}") from None
