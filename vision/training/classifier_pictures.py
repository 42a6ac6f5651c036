"""Small changes to pictures of 32 x 32 pixels, so that a network cannot learn them by heart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vision.training.cifar import Classes, Labelled, Pictures
from vision.training.classifier_model import CLASSES, SIZE, normalised

LEAST_PART = 20
"""Pixels of the side of the smallest part of a picture that is shown in its place."""


@dataclass(frozen=True, slots=True)
class Changes:
    """How pictures differ from the ones that are learnt from."""

    shift: int = 2
    """Pixels that a picture moves by at most, in each direction."""
    zoomed: float = 0.15
    """Share of pictures that are shown nearer or farther away, as photographs may be."""
    most_part: int = SIZE
    """Pixels of the side of the part shown then: less than this. More than the picture has are
    mirrored at its edges."""
    mixed: float = 0.0
    """Share of pictures that get a part of another one (CutMix, Yun et al. 2019,
    arXiv 1905.04899)."""
    light: float = 0.0
    """How much contrast, brightness and colours change at most, of a deviation."""


@dataclass(frozen=True, slots=True)
class Step:
    epoch: int
    pictures: Tensor
    """float32 [rows, 3, 32, 32], normalised."""
    classes: Tensor
    """float32 [rows, 10], how much of each picture shows which class."""


def steps_of(
    train: Labelled, epochs: int, batch: int, seed: int, first: int, changes: Changes
) -> Iterator[Step]:
    """Batches of every epoch from step `first` on; a step is the same however it is reached."""
    edge = (changes.shift, changes.shift)
    padded = np.pad(train.pictures, ((0, 0), edge, edge, (0, 0)), "reflect")
    mirrored = np.random.default_rng(seed).random(len(train)) < 0.5
    each = len(train) // batch
    for step in range(first, epochs * each):
        epoch, place = divmod(step, each)
        order = np.random.default_rng((seed, epoch)).permutation(len(train))
        rows = order[place * batch : (place + 1) * batch]
        random = np.random.default_rng((seed, epoch, place))
        # Every second epoch sees the mirror image of what the other one sees (Jordan 2024).
        flipped = mirrored[rows] ^ bool(epoch % 2)
        moved = _shifted(padded, rows, flipped, changes.shift, random)
        pictures = _zoomed(normalised(torch.from_numpy(moved)), changes, random)
        classes = nn.functional.one_hot(torch.from_numpy(train.classes[rows]), CLASSES).float()
        pictures, classes = _mixed(pictures, classes, changes.mixed, random)
        yield Step(epoch, _lit(pictures, changes.light, random), classes)


def _shifted(
    padded: Pictures,
    rows: Classes,
    flipped: NDArray[np.bool_],
    shift: int,
    random: np.random.Generator,
) -> Pictures:
    top, left = random.integers(0, 2 * shift + 1, (2, len(rows), 1))
    along = np.arange(SIZE)[None]
    across = np.where(flipped[:, None], along[:, ::-1], along)
    moved: Pictures = padded[
        rows[:, None, None], (top + along)[:, :, None], (left + across)[:, None, :]
    ]
    return moved


def _zoomed(pictures: Tensor, changes: Changes, random: np.random.Generator) -> Tensor:
    pictures = pictures.contiguous(memory_format=torch.channels_last)
    for row in np.flatnonzero(random.random(len(pictures)) < changes.zoomed):
        side = int(random.integers(LEAST_PART, changes.most_part))
        edge = max(0, -(-(side - SIZE) // 2))
        top, left = random.integers(0, SIZE + 2 * edge - side + 1, 2)
        whole = nn.functional.pad(pictures[row : row + 1], (edge,) * 4, "reflect")
        part = whole[:, :, top : top + side, left : left + side]
        pictures[row] = nn.functional.interpolate(
            part, size=(SIZE, SIZE), mode="bilinear", antialias=side > SIZE
        )[0]
    return pictures


def _mixed(
    pictures: Tensor, classes: Tensor, mixed: float, random: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Rectangles of any place and size are taken from the batch's row before; so are the classes,
    in the proportion of the pixels."""
    rows = len(pictures)
    side = SIZE * np.sqrt(random.random(rows)) * (random.random(rows) < mixed)
    inside = np.abs(np.arange(SIZE) + 0.5 - random.random((2, rows, 1)) * SIZE) < side[:, None] / 2
    pasted = torch.from_numpy(inside[0][:, None, :, None] & inside[1][:, None, None, :])
    share = pasted.float().mean((1, 2, 3))[:, None]
    return (
        torch.where(pasted, pictures.roll(1, 0), pictures),
        torch.lerp(classes, classes.roll(1, 0), share),
    )


def _lit(pictures: Tensor, light: float, random: np.random.Generator) -> Tensor:
    """As taken with more or less contrast, more or less light, and light of another colour."""
    contrast, brightness = light * random.uniform(-1, 1, (2, len(pictures), 1, 1, 1))
    colours = light / 2 * random.uniform(-1, 1, (len(pictures), 3, 1, 1))
    offsets = torch.from_numpy((brightness + colours).astype(np.float32))
    return pictures * torch.from_numpy((1 + contrast).astype(np.float32)) + offsets
