"""CIFAR-10 (Krizhevsky 2009): 60,000 pictures of 32 x 32 pixels in ten classes."""

from __future__ import annotations

import io
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FOLDER = Path("image_classification/cifar10")
LABELS = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
Pictures = NDArray[np.uint8]
Classes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Labelled:
    pictures: Pictures
    """uint8 [rows, 32, 32, 3], RGB."""
    classes: Classes
    """int64 [rows], positions in LABELS."""

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def mirrored(self) -> Labelled:
        return Labelled(self.pictures[:, :, ::-1].copy(), self.classes)

    def take(self, rows: NDArray[np.int64]) -> Labelled:
        return Labelled(self.pictures[rows], self.classes[rows])


def read_files(data: Path, part: str) -> tuple[list[bytes], Classes]:
    """The JPEG files of `train` (50,000) or `test` (10,000), and their classes."""
    stored = np.load(data / FOLDER / f"{part}.npz")
    content, offsets = stored["jpeg"].tobytes(), stored["offsets"]
    edges = pairwise(offsets)
    return [content[start:end] for start, end in edges], stored["labels"].astype(np.int64)


def read_cifar(data: Path, part: str) -> Labelled:
    files, classes = read_files(data, part)
    pictures = [np.asarray(Image.open(io.BytesIO(file)).convert("RGB")) for file in files]
    return Labelled(np.stack(pictures), classes)


def held_out(train: Labelled, rows: int, seed: int) -> tuple[Labelled, Labelled]:
    """The part to learn from, and `rows` random pictures to choose and to calibrate by."""
    order = np.random.default_rng(seed).permutation(len(train))
    return train.take(np.sort(order[rows:])), train.take(np.sort(order[:rows]))
