"""Masks as run lengths, in the order that COCO has: column by column from the left."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vision.framing import Mask

Counts = NDArray[np.uint32]
"""uint32 [n]: pixels that are not of the class, then pixels that are, and so on."""


def run_lengths(columns: Mask, classes: int) -> list[Counts]:
    """The run lengths of every class but the first, which is the background.

    columns: uint8 [width, height], a mask whose axes were exchanged. The counts of a class add up
    to the mask's pixels; the first may be 0.
    """
    flat = columns.reshape(-1)
    starts = np.concatenate(([0], np.flatnonzero(flat[1:] != flat[:-1]) + 1))
    values = flat[starts]
    return [_of_class(starts, values, flat.size, one) for one in range(1, classes)]


def mask_of(counts: Counts, height: int, width: int) -> NDArray[np.bool_]:
    """bool [height, width]: the pixels that run lengths stand for."""
    values = np.arange(len(counts)) % 2 == 1
    return np.repeat(values, counts).reshape(width, height).T


def _of_class(starts: NDArray[np.intp], values: Mask, size: int, one: int) -> Counts:
    """The counts of one class, from all runs of the mask."""
    inside = values == one
    # A run of this class after one of it cannot be; runs of others are joined.
    changes = np.flatnonzero(np.diff(inside, prepend=False))
    edges = np.concatenate(([0], starts[changes], [size]))
    return np.diff(edges).astype(np.uint32)
