"""The second half of the classifier's learning: pictures mixed with each other.

After the first half it knows 98 % of what it learnt from, but only 90 % of new pictures.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.progress import Progress
from torch import nn

from vision.training.checkpoint import Checkpoint
from vision.training.cifar import Labelled
from vision.training.classifier_fitting import AVERAGED_EVERY, Average, Schedule, optimizer_of
from vision.training.classifier_model import ClassifierModel
from vision.training.classifier_pictures import mixed, steps_of

MIXING = 77
"""Keeps the dice of mixing apart from those of moving."""


@dataclass(frozen=True, slots=True)
class Finish:
    epochs: int = 10
    batch: int = 500
    rate: float = 7.0
    """Highest learning rate: the first steps climb to it, the others fall from it to zero."""
    smoothing: float = 0.1
    seed: int = 1
    save_every: int = 50


def finish_classifier(
    model: ClassifierModel,
    train: Labelled,
    schedule: Finish,
    progress: Progress,
    checkpoint: Path | None = None,
) -> float:
    """Returns the CPU seconds that this took. checkpoint: written now and then, resumed from."""
    steps = schedule.epochs * (len(train) // schedule.batch)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload,unused-ignore]
    model.whiten_bias.requires_grad_(False)
    plan = Schedule(batch=schedule.batch, rate=schedule.rate)
    optimizer, rates = optimizer_of(model, plan), _rates(model, plan)
    average = Average(model)
    saved = Checkpoint(checkpoint, f"finish {len(train)} {schedule}")
    done, spent = 0, 0.0
    if state := saved.load():
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        average.load(state["average"])
        done, spent = int(state["done"]), float(state["seconds"])
    started = time.process_time() - spent
    task = progress.add_task("classifier, mixed", total=steps, completed=done)
    model.train()
    batches = steps_of(train, schedule.epochs, schedule.batch, schedule.seed, done)
    for step, plain in enumerate(batches, done):
        batch = mixed(plain, np.random.default_rng((MIXING, schedule.seed, step)))
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * share_of_rate(step / steps)
        with torch.autocast("cpu", torch.bfloat16):
            scores = model(batch.pictures).float()
        own, other = (
            nn.functional.cross_entropy(
                scores, kinds, label_smoothing=schedule.smoothing, reduction="none"
            )
            for kinds in (batch.classes, batch.others)
        )
        loss = (own * batch.shares + other * (1 - batch.shares)).sum()
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
                f"classifier, mixed: step {step + 1} of {steps}, loss "
                f"{loss.item() / schedule.batch:.3f}, {seconds:.0f} CPU seconds"
            )
    model.eval()
    return time.process_time() - started


def share_of_rate(passed: float) -> float:
    """Climbs over the first twentieth of the steps, then falls to 0.01."""
    return float(np.interp(passed, [0, 0.05, 1], [0.2, 1, 0.01]))


def _rates(model: ClassifierModel, plan: Schedule) -> list[float]:
    return [float(group["lr"]) for group in optimizer_of(model, plan).param_groups]
