"""The Adult census rows, reduced to the nine columns that the models may use.

Race, sex and native country are left out on purpose, as are the survey weight and the textual
education, whose rank stays.
"""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlmesh.registry.manifest import Feature
from predictor.training.evaluation import metrics_of
from predictor.training.rows import Inputs, Probabilities, Rows, shortest

LABELS = ("<=50K", ">50K")
LABEL_COLUMN = 14
SEX_COLUMN = 9


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    position: int
    """Column of the file."""
    description: str
    unit: str = ""


NUMERIC = (
    Column("age", 0, "Age, an integer", "years"),
    Column(
        "education_num",
        4,
        "Highest schooling as a rank, an integer: 1 preschool, 9 high-school diploma, "
        "10 some college, 13 bachelor, 14 master, 16 doctorate",
    ),
    Column("capital_gain", 10, "Capital gains of the year; 99999 stands for more", "USD of 1994"),
    Column("capital_loss", 11, "Capital losses of the year", "USD of 1994"),
    Column("hours_per_week", 12, "Hours usually worked per week, an integer", "hours"),
)
CATEGORICAL = (
    Column("workclass", 1, "Kind of employer; ? means not stated"),
    Column("marital_status", 5, "Marital status"),
    Column("occupation", 6, "Kind of work; ? means not stated"),
    Column("relationship", 7, "Position in the household"),
)


@dataclass(frozen=True, slots=True)
class Adult:
    train: Rows
    test: Rows
    categories: tuple[tuple[str, ...], ...]
    """Names that the training file knows, one tuple per categorical column."""
    repeated: NDArray[np.bool_]
    """Test rows that also occur, in all columns, in the training file."""
    women: NDArray[np.bool_]
    """Test rows about women: to judge by, never to learn from."""

    def features(self, learnt: Rows) -> tuple[Feature, ...]:
        return (*_numeric_features(learnt), *_categorical_features(learnt, self.categories))

    def remarks(self, probabilities: Probabilities) -> str:
        """What the plain figures hide: the repeated rows, and how answers differ by sex."""
        fresh = ~self.repeated
        figures = metrics_of(probabilities[fresh], self.test.labels[fresh])
        rich, answered = self.test.labels == 1, probabilities.argmax(axis=1) == 1
        by_sex = "; ".join(
            f"{who} {answered[group].mean():.1%} of them (true: {rich[group].mean():.1%}), "
            f"right for {(answered == rich)[group].mean():.1%}"
            for who, group in (("women", self.women), ("men", ~self.women))
        )
        return (
            f"{self.repeated.sum()} test rows also occur in the training file; without them "
            f"accuracy is {figures['accuracy']:.4f} and AUC {figures['auc']:.4f}. "
            f"Answers >50K by sex, which is no input: {by_sex}."
        )


def read_adult(folder: Path) -> Adult:
    """Read the official training and test files; raises ValueError on a category that only the
    test file has."""
    train, test = (_records(folder / f"adult-{part}.csv.gz") for part in ("train", "test"))
    categories = tuple(
        tuple(sorted({record[column.position] for record in train})) for column in CATEGORICAL
    )
    known = {tuple(record) for record in train}
    return Adult(
        train=_rows(train, categories),
        test=_rows(test, categories),
        categories=categories,
        repeated=np.array([tuple(record) in known for record in test]),
        women=np.array([record[SEX_COLUMN] == "Female" for record in test]),
    )


def _records(path: Path) -> list[list[str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        records = [[cell.strip() for cell in record] for record in csv.reader(file)]
    # The test file ends its labels with a full stop.
    return [
        [*record[:LABEL_COLUMN], record[LABEL_COLUMN].rstrip(".")] for record in records if record
    ]


def _rows(records: list[list[str]], categories: tuple[tuple[str, ...], ...]) -> Rows:
    numeric = [[float(record[column.position]) for column in NUMERIC] for record in records]
    categorical = [
        [
            _position(record[column.position], names, column)
            for column, names in zip(CATEGORICAL, categories, strict=True)
        ]
        for record in records
    ]
    inputs: Inputs = {
        "numeric": np.array(numeric, np.float32),
        "categorical": np.array(categorical, np.int64),
    }
    return Rows(inputs, np.array([LABELS.index(record[LABEL_COLUMN]) for record in records]))


def _position(category: str, names: tuple[str, ...], column: Column) -> int:
    if category not in names:
        raise ValueError(f"{column.name}: {category} is not in the training file")
    return names.index(category)


def _numeric_features(learnt: Rows) -> list[Feature]:
    return [
        Feature(
            name=column.name,
            kind="numeric",
            description=column.description,
            unit=column.unit,
            input="numeric",
            column=place,
            minimum=shortest(values.min()),
            maximum=shortest(values.max()),
            baseline=shortest(np.median(values)),
        )
        for place, (column, values) in enumerate(
            zip(NUMERIC, learnt.inputs["numeric"].T, strict=True)
        )
    ]


def _categorical_features(learnt: Rows, categories: tuple[tuple[str, ...], ...]) -> list[Feature]:
    return [
        Feature(
            name=column.name,
            kind="categorical",
            description=column.description,
            input="categorical",
            column=place,
            categories=names,
            baseline=names[int(np.bincount(learnt.inputs["categorical"][:, place]).argmax())],
        )
        for place, (column, names) in enumerate(zip(CATEGORICAL, categories, strict=True))
    ]
