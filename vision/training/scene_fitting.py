"""How the trunk of the detector and the segmenter learns, together with both heads."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.progress import Progress
from torch import Tensor, nn

from vision.training.checkpoint import Checkpoint
from vision.training.scene_losses import box_loss, mask_loss, wanted_of
from vision.training.scene_model import SIZE, SceneModel, boxes_of, cell_centres, centred
from vision.training.scene_pictures import Sample, SceneMixer
from vision.training.scenes import Scene

LONGEST = 360
"""Pixels of the longer side of what samples are cut from: a little more than they may show."""
DRAWN = {"pennfudan": 2.5, "pets": 1.0, "coco128": 0.7}
"""How often scenes of each set are drawn: people are few, COCO's pictures have few masks."""


@dataclass(frozen=True, slots=True)
class Schedule:
    steps: int = 4800
    batch: int = 16
    rate: float = 2e-3
    """Highest learning rate: the first steps climb to it, the others fall from it to zero."""
    rise: int = 100
    decay: float = 0.05
    """Weight decay (AdamW, Loshchilov and Hutter 2019)."""
    largest_gradient: float = 5.0
    kept: float = 0.999
    """What the average of the weights, which is what is shipped, keeps of itself in a step."""
    seed: int = 0
    save_every: int = 100


def fit_scenes(
    model: SceneModel,
    scenes: Sequence[Scene],
    schedule: Schedule,
    progress: Progress,
    checkpoint: Path | None = None,
) -> float:
    """Returns the CPU seconds that this took; the model ends as the average of its weights.

    checkpoint: written now and then, resumed from when it is of the same run.
    """
    small = [scene.reduced(LONGEST) for scene in scenes]
    mixer = SceneMixer(small, [DRAWN[scene.source] for scene in small], SIZE)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload,unused-ignore]
    average = deepcopy(model)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=schedule.rate, weight_decay=schedule.decay, fused=True
    )
    saved = Checkpoint(checkpoint, f"scenes {len(scenes)} {schedule}")
    done, seconds = 0, 0.0
    if state := saved.load():
        model.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        done, seconds = int(state["done"]), float(state["seconds"])
    started = time.process_time() - seconds
    task = progress.add_task("detector and segmenter", total=schedule.steps, completed=done)
    centres = cell_centres()
    model.train()
    for step in range(done, schedule.steps):
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, schedule)
        random = np.random.default_rng((schedule.seed, step))
        samples = [mixer.sample(random) for _ in range(schedule.batch)]
        boxes, masks = _losses(model, samples, centres, step % 4)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(boxes + masks)
        nn.utils.clip_grad_norm_(model.parameters(), schedule.largest_gradient)
        optimizer.step()
        _follow(average, model, min(schedule.kept, (1 + step) / (10 + step)))
        progress.update(task, completed=step + 1)
        if (step + 1) % schedule.save_every == 0 or step + 1 == schedule.steps:
            seconds = time.process_time() - started
            saved.save(
                {
                    "model": model.state_dict(),
                    "average": average.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "done": step + 1,
                    "seconds": seconds,
                }
            )
            progress.console.log(
                f"scenes: step {step + 1} of {schedule.steps}, boxes {boxes.item():.3f}, "
                f"masks {masks.item():.3f}, {seconds:.0f} CPU seconds"
            )
    model.load_state_dict(average.state_dict())
    model.eval()
    return seconds


def rate_at(step: int, schedule: Schedule) -> float:
    """The learning rate of a step."""
    fall = 0.5 * (1 + math.cos(math.pi * step / schedule.steps))
    return schedule.rate * min(1.0, (step + 1) / schedule.rise) * fall


def _losses(
    model: SceneModel, samples: Sequence[Sample], centres: Tensor, quarter: int
) -> tuple[Tensor, Tensor]:
    """quarter: which of every four pixels the masks are compared at, 0 to 3."""
    down, across = divmod(quarter, 2)
    pictures = torch.from_numpy(np.stack([sample.picture for sample in samples]))
    masks = torch.from_numpy(np.stack([sample.mask for sample in samples]).astype(np.int64))
    wanted = [wanted_of(sample.boxes, sample.classes, centres) for sample in samples]
    with torch.autocast("cpu", torch.bfloat16):
        scores, sides, drawn = model(
            centred(pictures).contiguous(memory_format=torch.channels_last)
        )
    boxes = boxes_of(sides.float(), centres)
    loss = box_loss(
        scores.float().flatten(0, 1),
        boxes.flatten(0, 1),
        torch.cat([one.kinds for one in wanted]),
        torch.cat([one.boxes for one in wanted]),
    )
    return loss, mask_loss(drawn.float(), masks[:, down::2, across::2])


def _follow(average: nn.Module, model: nn.Module, kept: float) -> None:
    with torch.no_grad():
        followed = model.state_dict()
        for name, slow in average.state_dict().items():
            if slow.is_floating_point():
                slow.lerp_(followed[name], 1 - kept)
            else:
                slow.copy_(followed[name])
