"""`penguins`: the species of a penguin from four measurements, by a network of 16 hidden units."""

# Without torch installed its classes are unknown to the type checker; training code still checks.
# mypy: allow-subclassing-any

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from rich.progress import Progress
from sklearn.model_selection import StratifiedKFold
from torch import Tensor, nn

from mlmesh.registry.manifest import Feature, Training
from predictor.training.baselines import baselines
from predictor.training.calibration import softmax
from predictor.training.fitting import Schedule, certain, fit, scores_of
from predictor.training.penguin_rows import (
    HELD_OUT,
    MEASUREMENTS,
    SEED,
    SPECIES,
    parted,
    read_penguins,
)
from predictor.training.release import Trained
from predictor.training.rows import Probabilities, Rows, shortest

NAME = "penguins"
VERSION = "v1.0"
FOLDS = 10
# Chosen by ten-fold cross validation inside the training part.
SCHEDULE = Schedule(epochs=40, batch=32, rate=0.02, decay=0.01)


class PenguinNetwork(nn.Module):
    mean: Tensor
    deviation: Tensor

    def __init__(self, rows: Rows) -> None:
        super().__init__()
        measured = rows.inputs["features"]
        self.register_buffer("mean", torch.tensor(measured.mean(axis=0)))
        self.register_buffer("deviation", torch.tensor(measured.std(axis=0)))
        self.body = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, len(SPECIES)))

    def forward(self, features: Tensor) -> Tensor:
        scores: Tensor = self.body((features - self.mean) / self.deviation)
        return scores


def train_penguins(folder: Path, progress: Progress) -> Trained:
    rows = read_penguins(folder / "penguins.csv")
    train, test = parted(rows)
    started = time.process_time()
    model = _trained(train, progress)
    seconds = time.process_time() - started
    cross_validation = _cross_validated(rows, progress)
    return Trained(
        name=NAME,
        version=VERSION,
        description="Species of an adult penguin of the Palmer Archipelago from four measurements",
        model=model,
        features=_features(train),
        labels=SPECIES,
        training=Training(
            data="palmerpenguins: 342 penguins with all four measurements, measured 2007-2009",
            licence="CC0-1.0",
            citation="Horst AM, Hill AP, Gorman KB (2020). palmerpenguins: Palmer Archipelago "
            "(Antarctica) penguin data. doi:10.5281/zenodo.3960218. Measured by Gorman KB, "
            "Williams TD, Fraser WR (2014), PLoS ONE 9(3):e90081.",
            rows=len(train),
            split=f"random {HELD_OUT:.0%} of every species held out, seed {SEED}",
            seed=SEED,
            seconds=round(seconds, 2),
            method="4-16-3 network with ReLU, AdamW, cross-entropy; the shipped weights saw "
            "the training part only, so the figures are those of exactly these weights",
        ),
        test=test,
        baselines=baselines(train, test),
        metrics={"cross_validation_accuracy": cross_validation},
        remarks=lambda _: (
            f"Ten-fold cross validation over all {len(rows)} rows gives accuracy "
            f"{cross_validation:.4f}, by the same recipe with weights that are not shipped."
        ),
        limits=(
            "It knows three species only and always names one of them, also for other birds.",
            "It has seen adult birds on three islands of the Palmer Archipelago, 2007 to 2009; "
            "chicks and other populations are unknown to it.",
            "Outside the measured ranges its answers are confident extrapolation.",
            f"The figures rest on {len(test)} held-out birds; one bird more or less is 1 point.",
        ),
        floors={"accuracy": 0.95},
    )


def _trained(rows: Rows, progress: Progress) -> PenguinNetwork:
    torch.manual_seed(SEED)
    model = PenguinNetwork(rows)
    fit(
        model,
        rows.inputs,
        certain(rows.labels, len(SPECIES)),
        SCHEDULE,
        progress,
        f"{NAME} {VERSION}",
    )
    return model


def _cross_validated(rows: Rows, progress: Progress) -> float:
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
    answers: Probabilities = np.zeros((len(rows), len(SPECIES)))
    parts = list(folds.split(answers, rows.labels))
    quiet = Progress(disable=True)
    for learnt, asked in progress.track(parts, description=f"{NAME}, {FOLDS} folds"):
        model = _trained(rows.part(learnt), quiet)
        answers[asked] = softmax(scores_of(model, rows.part(asked).inputs))
    return round(float((answers.argmax(axis=1) == rows.labels).mean()), 6)


def _features(train: Rows) -> tuple[Feature, ...]:
    measured = train.inputs["features"]
    return tuple(
        Feature(
            name=name,
            kind="numeric",
            description=description,
            unit=unit,
            input="features",
            column=column,
            minimum=shortest(measured[:, column].min()),
            maximum=shortest(measured[:, column].max()),
            baseline=shortest(np.median(measured[:, column])),
        )
        for column, (name, (unit, description)) in enumerate(MEASUREMENTS.items())
    )
