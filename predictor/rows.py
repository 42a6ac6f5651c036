"""Reads a row as a caller sends it into the inputs of a graph."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from google.protobuf.struct_pb2 import Value

from mlmesh.inference.session import Array
from mlmesh.registry.manifest import Feature, Manifest
from mlmesh.runtime.errors import InvalidInput
from mlmesh.v1 import predictor_pb2 as pb

LARGEST = float(np.finfo(np.float32).max)
OUT_OF_RANGE = "OUT_OF_TRAINING_RANGE"

Range = tuple[float, float]
"""Smallest and largest number."""
Row = dict[str, Array]
"""One row for every input of the graph: arrays of shape [1, columns]."""
Encoded = list[float]
"""One number for every feature, in the model's order; a category is its position."""


class RowReader:
    """Knows the features of one model version."""

    def __init__(self, manifest: Manifest) -> None:
        self.features = manifest.features
        self._positions = [
            {name: float(position) for position, name in enumerate(feature.categories)}
            for feature in manifest.features
        ]
        held = {tensor.name: _held_by(tensor.dtype) for tensor in manifest.inputs}
        self._held = [held[feature.input] for feature in manifest.features]
        self._usual = [_usual_of(feature, held[feature.input]) for feature in manifest.features]
        self._by_name = {feature.name: index for index, feature in enumerate(manifest.features)}
        self._categorical = next((f for f in manifest.features if f.kind == "categorical"), None)
        self._columns = {
            tensor.name: (_columns_of(manifest.features, tensor.name), tensor.dtype)
            for tensor in manifest.inputs
        }
        self._only = self._only_input()

    def read(
        self, features: Sequence[float], named: Mapping[str, Value]
    ) -> tuple[Encoded, list[pb.Warning]]:
        """The row in numbers, and what its caller should know. Raises InvalidInput."""
        if features and named:
            raise InvalidInput("features", "send either features or named_features, not both")
        if named:
            return self._from_names(named)
        return self._from_list(features)

    def arrays(self, rows: Sequence[Encoded]) -> Row:
        """Rows as the graph's inputs: arrays of shape [rows, columns]."""
        if self._only is not None:
            name, dtype = self._only
            return {name: np.array(rows, dtype)}
        table = np.array(rows, dtype=np.float64)
        return {
            name: table[:, columns].astype(dtype)
            for name, (columns, dtype) in self._columns.items()
        }

    def baseline(self) -> Encoded:
        """The ordinary row: every feature at its baseline."""
        return [
            float(feature.baseline)
            if feature.kind == "numeric"
            else positions[str(feature.baseline)]
            for feature, positions in zip(self.features, self._positions, strict=True)
        ]

    def _only_input(self) -> tuple[str, np.dtype[Any]] | None:
        """Name and dtype of the input, where rows go into a single one as they are."""
        if len(self._columns) != 1:
            return None
        [(name, (columns, dtype))] = self._columns.items()
        return (name, np.dtype(dtype)) if columns == list(range(len(self.features))) else None

    def _from_list(self, values: Sequence[float]) -> tuple[Encoded, list[pb.Warning]]:
        if len(values) != len(self.features):
            raise InvalidInput("features", f"expected {self._expected()}, got {len(values)}")
        if self._categorical is not None:
            raise InvalidInput(
                "features",
                f"{self._categorical.name} is a category, so send named_features instead",
            )
        row = list(values)
        warnings: list[pb.Warning] = []
        for index, (value, (low, high)) in enumerate(zip(row, self._usual, strict=True)):
            if not low <= value <= high:
                at = f"features[{index}]"
                _check_number(value, self.features[index], self._held[index], at, warnings)
        return row, warnings

    def _from_names(self, named: Mapping[str, Value]) -> tuple[Encoded, list[pb.Warning]]:
        for name in named:
            if name not in self._by_name:
                raise InvalidInput(f'named_features["{name[:64]}"]', self._unknown(name))
        encoded: Encoded = []
        warnings: list[pb.Warning] = []
        for feature, positions, held in zip(
            self.features, self._positions, self._held, strict=True
        ):
            at = f'named_features["{feature.name}"]'
            if feature.name not in named:
                raise InvalidInput(at, "missing")
            value = named[feature.name]
            if feature.kind == "categorical":
                encoded.append(_category(value, positions, at))
            else:
                number = _number(value, at)
                _check_number(number, feature, held, at, warnings)
                encoded.append(number)
        return encoded, warnings

    def _expected(self) -> str:
        names = [feature.name for feature in self.features]
        shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
        return f"{len(names)} ({shown})"

    def _unknown(self, name: str) -> str:
        close = difflib.get_close_matches(name[:64], self._by_name, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"it takes {self._expected()}"
        return f"the model has no such feature, {hint}"


def _columns_of(features: Sequence[Feature], tensor: str) -> list[int]:
    """Positions of the features that go to one input, by column."""
    mine = [
        (feature.column, index) for index, feature in enumerate(features) if feature.input == tensor
    ]
    return [index for _, index in sorted(mine)]


def _held_by(dtype: str) -> Range:
    """The numbers that an input of this dtype can hold, of those that fit 32 bits."""
    if "int" in dtype:
        limits = np.iinfo(dtype)
        low, high = float(limits.min), float(limits.max)
        # The largest of 64 bits is no float, and the next one is too large.
        return low, high if high <= limits.max else math.nextafter(high, 0)
    largest = float(np.finfo(np.float16).max) if dtype == "float16" else LARGEST
    return -largest, largest


def _usual_of(feature: Feature, held: Range) -> Range:
    """Between these a number is fine, and nothing is to be said of it."""
    low, high = feature.minimum, feature.maximum
    if low is None or high is None:
        return held
    return max(low, held[0]), min(high, held[1])


def _check_number(
    value: float, feature: Feature, held: Range, at: str, warnings: list[pb.Warning]
) -> None:
    # Written so that NaN fails it as well.
    if not held[0] <= value <= held[1]:
        if held[1] == LARGEST:
            raise InvalidInput(at, "must be a finite number that fits 32 bits")
        raise InvalidInput(at, f"must be a number from {held[0]:g} to {held[1]:g}")
    low, high = feature.minimum, feature.maximum
    if low is not None and high is not None and not low <= value <= high:
        unit = f" {feature.unit}" if feature.unit else ""
        warnings.append(
            pb.Warning(
                field=at,
                reason=OUT_OF_RANGE,
                description=f"{feature.name} is {value:g}{unit}, training saw {low:g} to {high:g}",
            )
        )


def _number(value: Value, at: str) -> float:
    if value.WhichOneof("kind") != "number_value":
        raise InvalidInput(at, "must be a number")
    return value.number_value


def _category(value: Value, positions: Mapping[str, float], at: str) -> float:
    if value.WhichOneof("kind") != "string_value":
        raise InvalidInput(at, "must be the name of a category")
    name = value.string_value
    if name not in positions:
        close = difflib.get_close_matches(name[:64], positions, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"send one of {', '.join(positions)}"
        raise InvalidInput(at, f"no category {name[:64]!r}, {hint}")
    return positions[name]
