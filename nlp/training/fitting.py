"""Gradient descent over texts of different lengths, with checkpoints to resume from."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from rich.progress import Progress
from torch import Tensor, nn

Item = TypeVar("Item")
SORTED_TOGETHER = 50
"""Batches whose items are sorted by length before they are cut, so that little is padded."""


@dataclass(frozen=True, slots=True)
class Schedule:
    batch: int
    """Items per step."""
    rate: float
    """Highest learning rate: the first steps climb to it, the others fall from it to zero."""
    rise: int = 100
    """Steps that climb."""
    decay: float = 0.01
    """Weight decay (AdamW, Loshchilov and Hutter 2019)."""
    largest_gradient: float = 1.0
    save_every: int = 200
    """Steps between two checkpoints."""


def batches_of(
    items: Sequence[Item], length: Callable[[Item], int], size: int, generator: random.Random
) -> list[list[Item]]:
    """Every item once, in batches of similar lengths, in random order."""
    shuffled = list(items)
    generator.shuffle(shuffled)
    block = size * SORTED_TOGETHER
    batches = []
    for start in range(0, len(shuffled), block):
        ordered = sorted(shuffled[start : start + block], key=length)
        batches += [ordered[place : place + size] for place in range(0, len(ordered), size)]
    generator.shuffle(batches)
    return batches


def fit(
    model: nn.Module,
    batches: Sequence[Sequence[Item]],
    loss_of: Callable[[Sequence[Item]], Tensor],
    schedule: Schedule,
    progress: Progress,
    title: str,
    checkpoint: Path | None = None,
) -> float:
    """Take one step per batch; returns the CPU seconds that this took.

    loss_of: the mean loss of one batch. checkpoint: a file that is written now and then, and
    continued from when it is of the same run.
    """
    trained = [one for one in model.parameters() if one.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=0.0, weight_decay=schedule.decay, fused=True)
    saved = _Checkpoint(checkpoint, f"{title} {len(batches)} {schedule}")
    done, spent = saved.load(model, optimizer)
    started = time.process_time() - spent
    task = progress.add_task(title, total=len(batches), completed=done)
    model.train()
    for step in range(done, len(batches)):
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, len(batches), schedule)
        with torch.autocast("cpu", torch.bfloat16):
            loss = loss_of(batches[step])
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(trained, schedule.largest_gradient)
        optimizer.step()
        progress.update(task, completed=step + 1)
        if (step + 1) % schedule.save_every == 0 or step + 1 == len(batches):
            unfinished = step + 1 < len(batches)
            seconds = time.process_time() - started
            saved.save(model, optimizer if unfinished else None, step + 1, seconds)
            progress.console.log(f"{title}: step {step + 1} of {len(batches)}, {loss.item():.3f}")
    model.eval()
    return time.process_time() - started


def rate_at(step: int, steps: int, schedule: Schedule) -> float:
    """The learning rate of a step."""
    return schedule.rate * min(1.0, (step + 1) / schedule.rise) * (1 - step / steps)


class _Checkpoint:
    """What a long training is resumed from: weights, optimiser, random numbers and steps."""

    def __init__(self, path: Path | None, run: str) -> None:
        self._path = path
        self._run = hashlib.sha256(run.encode()).hexdigest()

    def load(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[int, float]:
        """Steps done and CPU seconds spent; nothing of another run is taken."""
        if self._path is None or not self._path.exists():
            return 0, 0.0
        state = torch.load(self._path, weights_only=True)
        if state["run"] != self._run:
            return 0, 0.0
        model.load_state_dict(state["model"])
        if state["optimizer"] is not None:
            optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["random"])
        return int(state["steps"]), float(state["seconds"])

    def save(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer | None,
        steps: int,
        seconds: float,
    ) -> None:
        if self._path is None:
            return
        state = {
            "run": self._run,
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict() if optimizer else None,
            "random": torch.get_rng_state(),
            "steps": steps,
            "seconds": seconds,
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._path.with_suffix(".part")
        torch.save(state, unfinished)
        unfinished.replace(self._path)
