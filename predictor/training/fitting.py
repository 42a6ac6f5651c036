"""Gradient descent by small batches towards given class probabilities."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from rich.progress import Progress
from torch import Tensor, nn

from predictor.training.rows import Indices, Inputs, Probabilities


@dataclass(frozen=True, slots=True)
class Schedule:
    epochs: int
    batch: int
    """Rows per step."""
    rate: float
    """Highest learning rate: a tenth of the steps climb to it, the others fall from it to zero."""
    decay: float
    """Weight decay (AdamW, Loshchilov and Hutter 2019)."""


def fit(
    model: nn.Module,
    inputs: Inputs,
    targets: Probabilities,
    schedule: Schedule,
    progress: Progress,
    title: str,
) -> None:
    """Train `model`, whose output is one score per class, by cross-entropy with `targets`."""
    columns = tensors_of(inputs)
    wanted = torch.tensor(targets, dtype=torch.float32)
    steps = schedule.epochs * math.ceil(len(wanted) / schedule.batch)
    optimizer = torch.optim.AdamW(model.parameters(), lr=schedule.rate, weight_decay=schedule.decay)
    pace = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, schedule.rate, total_steps=steps, pct_start=0.1
    )
    model.train()
    for _ in progress.track(range(schedule.epochs), description=title):
        order = torch.randperm(len(wanted))
        for start in range(0, len(wanted), schedule.batch):
            rows = order[start : start + schedule.batch]
            scores = model(*(column[rows] for column in columns))
            loss = nn.functional.cross_entropy(scores, wanted[rows])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            pace.step()
    model.eval()


def scores_of(model: nn.Module, inputs: Inputs) -> Probabilities:
    """The model's scores before the softmax, float64 [rows, classes]."""
    with torch.no_grad():
        scores: Probabilities = model(*tensors_of(inputs)).double().numpy()
    return scores


def certain(labels: Indices, classes: int) -> Probabilities:
    """Probability one for the true class."""
    targets: Probabilities = torch.eye(classes, dtype=torch.float64).numpy()[labels]
    return targets


def tensors_of(inputs: Inputs) -> tuple[Tensor, ...]:
    return tuple(torch.tensor(values) for values in inputs.values())
