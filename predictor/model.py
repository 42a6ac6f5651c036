"""A tabular model version: rows in, predictions out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from google.protobuf.struct_pb2 import Value

from mlmesh.inference.host import LoadedVersion
from mlmesh.inference.session import Array
from mlmesh.registry.manifest import Manifest
from mlmesh.runtime.call import Call
from predictor.rows import Encoded, RowReader


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says of one row."""

    prediction: Value
    label: str
    confidence: float
    probabilities: Sequence[float]


class TabularModel:
    """One version, with what reading its rows and naming its answers takes."""

    def __init__(self, version: LoadedVersion) -> None:
        self.manifest: Manifest = version.manifest
        self.rows = RowReader(version.manifest)
        self._version = version
        self._output = version.manifest.outputs[0].name

    async def scores(self, rows: Sequence[Encoded], call: Call) -> tuple[Array, float]:
        """Scores of rows, float32 [rows, classes] (regression: [rows, 1]), and seconds."""
        answer = await self._version.run(
            self.rows.arrays(rows), deadline=call.deadline, priority=call.priority
        )
        return answer.outputs[self._output].reshape(len(rows), -1), answer.seconds

    def prediction(self, scores: Array) -> Prediction:
        """What one row of `scores` means."""
        if self.manifest.task == "regression":
            return Prediction(Value(number_value=float(scores[0])), "", 0.0, ())
        best = int(np.argmax(scores))
        label = self.manifest.labels[best]
        values = scores.tolist()
        return Prediction(Value(string_value=label), label, values[best], values)
