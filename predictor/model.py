"""A tabular model version: rows in, predictions out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from google.protobuf.struct_pb2 import ListValue, Value

from mlmesh.inference.batch_run import Answer
from mlmesh.inference.session import Array
from mlmesh.inference.version import LoadedVersion
from mlmesh.registry.manifest import Manifest
from mlmesh.runtime.call import Call
from mlmesh.runtime.done import Done, GiveUp
from mlmesh.runtime.errors import Precondition
from mlmesh.v1 import predictor_pb2 as pb
from predictor.rows import Encoded, RowReader


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says of one row."""

    prediction: Value
    label: str
    confidence: float
    probabilities: Sequence[float]


class Scored(NamedTuple):
    """What the graph gave for rows."""

    scores: Array
    """float32 [rows, classes]; of a regressor [rows, 1]."""
    seconds: float
    """That it ran."""


class TabularModel:
    """One version, with what reading its rows and naming its answers takes."""

    def __init__(self, version: LoadedVersion) -> None:
        self.manifest: Manifest = version.manifest
        self.rows = RowReader(version.manifest)
        self._version = version
        self._output = version.manifest.score_output.name
        self.response = pb.PredictResponse(
            labels=self.manifest.labels,
            model=self.manifest.name,
            model_version=self.manifest.version,
            model_digest=self.manifest.digest,
        )
        """What every answer says."""

    async def scores(self, rows: Sequence[Encoded], call: Call) -> Scored:
        answer = await self._version.run(
            self.rows.arrays(rows), deadline=call.deadline, priority=call.priority
        )
        return self.scored(answer, len(rows))

    def begin(self, row: Encoded, call: Call, done: Done[Answer]) -> GiveUp:
        """Score one row without a task; see LoadedVersion.begin, and `scored` for the answer."""
        inputs = self.rows.arrays([row])
        return self._version.begin(inputs, done, deadline=call.deadline, priority=call.priority)

    def scored(self, answer: Answer, rows: int = 1) -> Scored:
        """What an answer says of so many rows."""
        return Scored(answer.outputs[self._output].reshape(rows, -1), answer.seconds)

    def prediction(self, scores: Array) -> Prediction:
        """What one row of `scores` means."""
        if self.manifest.task == "regression":
            return Prediction(_numbers(scores.tolist()), "", 0.0, ())
        best = int(scores.argmax())
        label = self.manifest.labels[best]
        values = scores.tolist()
        return Prediction(Value(string_value=label), label, values[best], values)


def tabular(version: LoadedVersion) -> TabularModel:
    """A version as a tabular model; raises Precondition when its graph does not take rows."""
    manifest = version.manifest
    if not manifest.features or manifest.task not in ("classification", "regression"):
        raise Precondition(
            f"model: {manifest.name} does not take rows of features; "
            f"call it by the Open Inference Protocol, POST /v2/models/{manifest.name}/infer"
        )
    return TabularModel(version)


def _numbers(values: Sequence[float]) -> Value:
    """A number, or a list of them for a model that gives several."""
    if len(values) == 1:
        return Value(number_value=values[0])
    return Value(list_value=ListValue(values=[Value(number_value=value) for value in values]))
