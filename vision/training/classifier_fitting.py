"""How the classifier learns: the recipe of airbench (Jordan 2024, arXiv 2404.00498)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import Progress
from torch import Tensor, nn

from vision.training.checkpoint import Checkpoint
from vision.training.cifar import Labelled
from vision.training.classifier_model import ClassifierModel, normalised
from vision.training.classifier_pictures import Changes, Step, steps_of

RATE_UNIT = 1024
"""Pictures that rates and decays are given for."""
AVERAGED_EVERY = 5
WHITENING_PICTURES = 5000
Scores = NDArray[np.float64]
Teacher = Callable[[Tensor], Tensor]
"""Normalised pictures [rows, 3, 32, 32] to probabilities, float32 [rows, 10]."""
ROWS = 500
"""Pictures that are answered at once."""


@dataclass(frozen=True, slots=True)
class Schedule:
    epochs: int
    rate: float
    """Highest learning rate."""
    decay: float
    changes: Changes
    batch: int = 500
    momentum: float = 0.85
    bias_rate: float = 64.0
    """How much faster the normalisations' biases learn."""
    smoothing: float = 0.2
    taught: float = 0.7
    """Share of a teacher's answers in what is learnt, where there is one."""
    whitening_epochs: int = 3
    """Epochs after which the bias of the whitening layer is left alone; 0: so is the layer."""
    last_share: float = 0.07
    """Of the highest rate, at the end."""
    seed: int = 0
    save_every: int = 50
    """Steps between two checkpoints."""


def fit_classifier(
    model: ClassifierModel,
    train: Labelled,
    schedule: Schedule,
    progress: Progress,
    saved: Checkpoint,
    teacher: Teacher | None = None,
) -> float:
    """Returns the CPU seconds that this took. saved: written now and then, resumed from.

    teacher: learnt from beside the labels (Hinton et al. 2015, arXiv 1503.02531).
    """
    steps = schedule.epochs * (len(train) // schedule.batch)
    if schedule.whitening_epochs:
        every = max(1, len(train) // WHITENING_PICTURES)
        model.whiten_like(normalised(torch.from_numpy(train.pictures[::every])))
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload,unused-ignore]
    optimizer = _optimizer(model, schedule)
    average = Average(model)
    done, seconds = 0, 0.0
    if state := saved.load():
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        average.load(state["average"])
        done, seconds = int(state["done"]), float(state["seconds"])
    # The tails of GELU are full of numbers too small to matter, which processors are slow at.
    torch.set_flush_denormal(True)
    started = time.process_time() - seconds
    rates = [group["lr"] for group in _optimizer(model, schedule).param_groups]
    task = progress.add_task("classifier", total=steps, completed=done)
    model.train()
    batches = steps_of(
        train, schedule.epochs, schedule.batch, schedule.seed, done, schedule.changes
    )
    for step, batch in enumerate(batches, done):
        model.whiten_bias.requires_grad_(batch.epoch < schedule.whitening_epochs)
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * share_of_rate(step / steps, schedule.last_share)
        goal = goal_of(batch, schedule, teacher)
        with torch.autocast("cpu", torch.bfloat16):
            scores = model(batch.pictures)
        loss = nn.functional.cross_entropy(scores.float(), goal, reduction="sum")
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()
        if (step + 1) % AVERAGED_EVERY == 0:
            average.update(model, 0.95**AVERAGED_EVERY * ((step + 1) / steps) ** 3)
        progress.update(task, completed=step + 1)
        if (step + 1) % schedule.save_every == 0 or step + 1 == steps:
            if step + 1 == steps:
                average.update(model, 1.0)
            seconds = time.process_time() - started
            saved.save(
                {
                    "model": model.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "average": average.values,
                    "done": step + 1,
                    "seconds": seconds,
                }
            )
            progress.console.log(
                f"classifier: step {step + 1} of {steps}, loss {loss.item() / schedule.batch:.3f}, "
                f"{seconds:.0f} CPU seconds"
            )
    torch.set_flush_denormal(False)
    model.eval()
    return seconds


def share_of_rate(passed: float, last: float) -> float:
    """Climbs from 0.2 to 1 over the first 23 % of the steps, then falls to `last`."""
    return float(np.interp(passed, [0, 0.23, 1], [0.2, 1, last]))


def goal_of(batch: Step, schedule: Schedule, teacher: Teacher | None) -> Tensor:
    """Probabilities that are learnt, float32 [rows, classes]: the labels, a share of them dealt out
    evenly, and of a teacher's answers as much as the schedule says."""
    evenly = 1 / batch.classes.shape[1]
    goal = batch.classes * (1 - schedule.smoothing) + schedule.smoothing * evenly
    if teacher is None:
        return goal
    return torch.lerp(goal, teacher(batch.pictures), schedule.taught)


def scores_of(model: ClassifierModel, part: Labelled) -> Scores:
    """Scores before the softmax, float64 [rows, 10]."""
    model.eval()
    with torch.no_grad():
        found = [
            model(normalised(torch.from_numpy(part.pictures[start : start + ROWS])))
            for start in range(0, len(part), ROWS)
        ]
    scores: Scores = torch.cat(found).double().numpy()
    return scores


class Average:
    """A slow copy of the weights that the fast ones are drawn to (lookahead, Zhang et al. 2019)."""

    def __init__(self, model: nn.Module) -> None:
        self.values: dict[str, Tensor] = {
            name: values.detach().clone() for name, values in _learnt(model).items()
        }

    def load(self, values: dict[str, Tensor]) -> None:
        self.values = values

    def update(self, model: nn.Module, kept: float) -> None:
        """Move the copy to the weights, keeping this share of it, and the weights to the copy."""
        with torch.no_grad():
            for name, fast in _learnt(model).items():
                slow = self.values[name]
                slow.lerp_(fast, 1 - kept)
                fast.copy_(slow)


def _learnt(model: nn.Module) -> dict[str, Tensor]:
    return {name: one for name, one in model.state_dict().items() if one.is_floating_point()}


def _optimizer(model: nn.Module, schedule: Schedule) -> torch.optim.SGD:
    # With constant gradients Nesterov's momentum takes steps that are larger by this.
    unit = RATE_UNIT * (1 + 1 / (1 - schedule.momentum))
    rate = schedule.rate / unit
    decay = schedule.decay * schedule.batch / unit
    named = list(model.named_parameters())
    biases = [one for name, one in named if "norm" in name and one.requires_grad]
    others = [one for name, one in named if "norm" not in name and name != "whiten.weight"]
    fast = rate * schedule.bias_rate
    return torch.optim.SGD(
        [
            {"params": biases, "lr": fast, "weight_decay": decay / fast},
            {"params": others, "lr": rate, "weight_decay": decay / rate},
        ],
        momentum=schedule.momentum,
        nesterov=True,
    )
