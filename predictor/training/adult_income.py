"""`adult-income`: whether a person of the 1994 census earned above 50,000 dollars.

v1.0 is a logistic regression. v2.0 is a network that learnt from gradient boosting: it copies the
probabilities of the mean of four forests on real and on made-up rows (distillation, Hinton et al.
2015), which brings a small network to the accuracy of boosting that it does not reach by itself.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from rich.progress import Progress

from mlmesh.registry.manifest import Training
from predictor.training.adult import LABELS, Adult, read_adult
from predictor.training.adult_models import LogisticRegression, Network
from predictor.training.baselines import baselines
from predictor.training.boosting import Boosting
from predictor.training.calibration import best_temperature, cool
from predictor.training.encoding import bins_by_quantile, bins_per_value
from predictor.training.fitting import Schedule, certain, fit, scores_of
from predictor.training.release import Trained
from predictor.training.rows import Rows, split
from predictor.training.swapping import swapped

NAME = "adult-income"
SEED = 0
VALIDATION = 0.1
# These settings were compared on validation rows of the training file, never on the test file.
BINS = 4
LOGISTIC_SCHEDULE = Schedule(epochs=20, batch=256, rate=0.02, decay=0.0)
TEACHERS = 4
SWAPPED_SHARE = 0.3
SWAPPED_PER_ROW = 8
NETWORK_SCHEDULE = Schedule(epochs=10, batch=512, rate=3e-3, decay=0.01)
LIMITS = (
    "Not for decisions about people: no credit, hiring, housing, insurance or pricing.",
    "It describes answers to a survey of the United States in 1994 in dollars of that year; "
    "it knows nothing about incomes of today or of other countries.",
    "Race, sex and native country are no inputs, but relationship (Husband, Wife), marital status "
    "and occupation tell much of them; leaving columns out does not make a model fair, and its "
    "answers differ by sex as the notes of the evaluation show.",
    "The survey's weights were not used, so the shares are those of the sample, not of the "
    "population.",
    "A number outside the training range is answered as the nearest end of that range.",
    "Rare categories rest on few rows: Never-worked 7, Armed-Forces 9, Without-pay 14, "
    "Married-AF-spouse 23 in the training file.",
)


def train_logistic(folder: Path, progress: Progress) -> Trained:
    adult = read_adult(folder)
    learnt, _ = split(adult.train, VALIDATION, SEED)
    started = time.process_time()
    torch.manual_seed(SEED)
    edges = bins_by_quantile(learnt.inputs["numeric"], BINS)
    model = LogisticRegression(edges, _sizes(adult))
    targets = certain(learnt.labels, len(LABELS))
    fit(model, learnt.inputs, targets, LOGISTIC_SCHEDULE, progress, f"{NAME} v1.0")
    return _trained(
        adult,
        learnt,
        model,
        version="v1.0",
        description="Income above 50,000 dollars in 1994, by logistic regression",
        method=f"logistic regression, each number as a broken line of {BINS} pieces "
        "(Gorishniy et al. 2022), AdamW",
        seconds=time.process_time() - started,
        limits=(
            "A sum over the features: it knows no interaction between them. v2.0 is better.",
            *LIMITS,
        ),
        floors={"accuracy": 0.84, "auc": 0.895},
    )


def train_network(folder: Path, progress: Progress) -> Trained:
    adult = read_adult(folder)
    learnt, validation = split(adult.train, VALIDATION, SEED)
    started = time.process_time()
    torch.manual_seed(SEED)
    model = Network(bins_per_value(learnt.inputs["numeric"]), _sizes(adult))
    _distil(model, learnt, progress)
    temperature = best_temperature(scores_of(model, validation.inputs), validation.labels)
    cool(model.last, temperature)
    return _trained(
        adult,
        learnt,
        model,
        version="v2.0",
        description="Income above 50,000 dollars in 1994, by a network distilled from boosting",
        method=f"network of 128 and 64 hidden units; one linear piece per distinct number "
        f"(Gorishniy et al. 2022), embedded categories; learns the probabilities of {TEACHERS} "
        f"boosted forests on the training rows and on {SWAPPED_PER_ROW} made-up rows for each; "
        f"temperature {temperature:.3f} fitted on the validation rows",
        seconds=time.process_time() - started,
        limits=(
            "It copies gradient boosting and is no better than it; where the last tenth of a "
            "point counts, use boosting itself.",
            *LIMITS,
        ),
        floors={"accuracy": 0.86, "auc": 0.915},
    )


def _distil(model: Network, learnt: Rows, progress: Progress) -> None:
    waiting = progress.add_task(f"{NAME} v2.0, teachers", total=None)
    teacher = Boosting(learnt, range(TEACHERS))
    made_up = swapped(learnt.inputs, SWAPPED_PER_ROW * len(learnt), SWAPPED_SHARE, SEED)
    inputs = {
        name: np.concatenate([values, made_up[name]]) for name, values in learnt.inputs.items()
    }
    targets = teacher.probabilities(inputs)
    progress.update(waiting, total=1, completed=1)
    fit(model, inputs, targets, NETWORK_SCHEDULE, progress, f"{NAME} v2.0")


def _sizes(adult: Adult) -> list[int]:
    return [len(names) for names in adult.categories]


def _trained(
    adult: Adult,
    learnt: Rows,
    model: LogisticRegression | Network,
    *,
    version: str,
    description: str,
    method: str,
    seconds: float,
    limits: tuple[str, ...],
    floors: dict[str, float],
) -> Trained:
    return Trained(
        name=NAME,
        version=version,
        description=description,
        model=model,
        features=adult.features(learnt),
        labels=LABELS,
        training=Training(
            data="Adult (census of 1994), training file of the UCI repository",
            licence="CC-BY-4.0",
            citation="Becker B, Kohavi R (1996). Adult. UCI Machine Learning Repository. "
            "doi:10.24432/C5XW20",
            rows=len(learnt),
            split=f"figures on the official test file; a random {VALIDATION:.0%} of the training "
            f"file kept for validation, seed {SEED}",
            seed=SEED,
            seconds=round(seconds, 3),
            method=method,
        ),
        test=adult.test,
        baselines=baselines(adult.train, adult.test),
        metrics={},
        remarks=adult.remarks,
        limits=limits,
        floors=floors,
    )
