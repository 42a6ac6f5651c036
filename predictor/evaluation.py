"""How the models of the predictor are judged through its service: BatchPredict of held-out rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlmesh.evaluation.evaluation import Evaluation, HeldOutSet, Tolerance
from mlmesh.evaluation.served import SECONDS, Served
from mlmesh.v1 import predictor_pb2 as pb, predictor_pb2_grpc as rpc
from predictor.training.adult import CATEGORICAL, NUMERIC, Adult, read_adult
from predictor.training.evaluation import metrics_of, shares
from predictor.training.penguin_rows import parted, read_penguins
from predictor.training.rows import Rows

BATCH = 512
FOLDER = "tabular"
Probabilities: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Labelled:
    """A row as a caller sends it, with the position of its class."""

    row: pb.Row
    label: int


def predict(served: Served, rows: Sequence[Labelled]) -> list[Probabilities]:
    """The probabilities of every row: float32 [classes]."""
    reply = rpc.PredictorServiceStub(served.channel).BatchPredict(
        pb.BatchPredictRequest(
            model=served.model, model_version=served.version, rows=[one.row for one in rows]
        ),
        timeout=SECONDS,
    )
    return [np.array(one.probabilities, np.float32) for one in served.results(reply)]


def figures_of(rows: Sequence[Labelled], answers: Sequence[Probabilities]) -> dict[str, float]:
    return metrics_of(shares(np.stack(answers)), np.array([one.label for one in rows]))


def penguins_in(data: Path) -> list[HeldOutSet[Labelled, Probabilities]]:
    _, test = parted(read_penguins(data / FOLDER / "penguins.csv"))
    return [HeldOutSet("penguins", penguin_rows(test), predict, figures_of, BATCH)]


def adults_in(data: Path) -> list[HeldOutSet[Labelled, Probabilities]]:
    rows = adult_rows(read_adult(data / FOLDER))
    return [HeldOutSet("adult-test", rows, predict, figures_of, BATCH)]


def penguin_rows(test: Rows) -> list[Labelled]:
    """Rows as lists of numbers."""
    measured = test.inputs["features"].tolist()
    return [
        Labelled(pb.Row(features=row), label)
        for row, label in zip(measured, test.labels.tolist(), strict=True)
    ]


def adult_rows(adult: Adult) -> list[Labelled]:
    """The test rows by the names of features and categories."""
    inputs = adult.test.inputs
    parts = (inputs["numeric"].tolist(), inputs["categorical"].tolist(), adult.test.labels.tolist())
    found = []
    for numbers, places, label in zip(*parts, strict=True):
        row = pb.Row()
        for column, number in zip(NUMERIC, numbers, strict=True):
            row.named_features[column.name].number_value = number
        for column, place, names in zip(CATEGORICAL, places, adult.categories, strict=True):
            row.named_features[column.name].string_value = names[place]
        found.append(Labelled(row, label))
    return found


TOLERANCES = {
    "*": Tolerance(
        0.0005,
        "a twentieth of a point; the same kind of processor gives the same bits, another one may "
        "round the last of them otherwise",
    ),
}
evaluations: Mapping[str, Evaluation] = {
    "penguins": Evaluation(
        penguins_in,
        TOLERANCES,
        {"cross_validation_*": "it is about ten models that are not shipped"},
    ),
    "adult-income": Evaluation(adults_in, TOLERANCES),
}
