"""Small changes to pictures of 32 x 32 pixels, so that a network cannot learn them by heart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vision.training.cifar import Classes, Labelled, Pictures
from vision.training.classifier_model import SIZE, normalised

SHIFT = 2
"""Pixels that a picture moves by at most, in each direction."""
ZOOMED = 0.15
"""Share of pictures that show only a part of themselves, as photographs taken nearer would."""
LEAST_PART = 20
"""Pixels of the side of such a part."""


@dataclass(frozen=True, slots=True)
class Step:
    epoch: int
    pictures: Tensor
    """float32 [rows, 3, 32, 32], normalised."""
    classes: Tensor
    """int64 [rows]."""


def steps_of(train: Labelled, epochs: int, batch: int, seed: int, first: int) -> Iterator[Step]:
    """Batches of every epoch from step `first` on; a step is the same however it is reached."""
    padded = np.pad(train.pictures, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0)), "reflect")
    mirrored = np.random.default_rng(seed).random(len(train)) < 0.5
    each = len(train) // batch
    for step in range(first, epochs * each):
        epoch, place = divmod(step, each)
        order = np.random.default_rng((seed, epoch)).permutation(len(train))
        rows = order[place * batch : (place + 1) * batch]
        random = np.random.default_rng((seed, epoch, place))
        # Every second epoch sees the mirror image of what the other one sees (Jordan 2024).
        flipped = mirrored[rows] ^ bool(epoch % 2)
        pictures = normalised(torch.from_numpy(_shifted(padded, rows, flipped, random)))
        yield Step(epoch, _zoomed(pictures, random), torch.from_numpy(train.classes[rows]))


def _shifted(
    padded: Pictures, rows: Classes, flipped: NDArray[np.bool_], random: np.random.Generator
) -> Pictures:
    top, left = random.integers(0, 2 * SHIFT + 1, (2, len(rows), 1))
    along = np.arange(SIZE)[None]
    across = np.where(flipped[:, None], along[:, ::-1], along)
    moved: Pictures = padded[
        rows[:, None, None], (top + along)[:, :, None], (left + across)[:, None, :]
    ]
    return moved


def _zoomed(pictures: Tensor, random: np.random.Generator) -> Tensor:
    pictures = pictures.contiguous(memory_format=torch.channels_last)
    for row in np.flatnonzero(random.random(len(pictures)) < ZOOMED):
        side = int(random.integers(LEAST_PART, SIZE))
        top, left = random.integers(0, SIZE - side + 1, 2)
        part = pictures[row : row + 1, :, top : top + side, left : left + side]
        pictures[row] = nn.functional.interpolate(part, size=(SIZE, SIZE), mode="bilinear")[0]
    return pictures
