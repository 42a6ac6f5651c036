"""Photographs in which things are to be found: boxes, and for most of them a mask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LABELS = ("person", "cat", "dog")
MASK_LABELS = ("background", *LABELS)
BACKGROUND = 0
UNKNOWN = 255
"""In a mask: nobody says what this pixel is."""
Pixels = NDArray[np.uint8]
Boxes = NDArray[np.float32]
Classes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Scene:
    name: str
    source: str
    """The set that it comes from."""
    part: str
    """`train`, `choice` (to choose and calibrate by) or the name of a test."""
    content: bytes
    """The file of the picture."""
    picture: Image.Image
    """RGB, upright."""
    mask: Image.Image | None
    """Mode L: a position in MASK_LABELS or UNKNOWN for each pixel; None: nothing is known."""
    boxes: Boxes
    """float32 [things, 4]: x0 y0 x1 y1 in pixels of the picture."""
    classes: Classes
    """int64 [things], positions in LABELS."""
    cutouts: tuple[Pixels, ...] = ()
    """For each thing, where that is known: uint8 [height, width] of the picture, 255 where it is
    and 0 elsewhere."""

    def __post_init__(self) -> None:
        if self.boxes.shape != (len(self.classes), 4):
            raise ValueError(f"{self.name}: {self.boxes.shape} boxes, {len(self.classes)} classes")

    def reduced(self, longest: int) -> Scene:
        """The same scene with at most `longest` pixels on its longer side."""
        width, height = self.picture.size
        factor = min(1.0, longest / max(width, height))
        size = max(1, round(width * factor)), max(1, round(height * factor))
        factors = np.array([size[0] / width, size[1] / height] * 2, np.float32)
        mask = self.mask and self.mask.resize(size, Image.Resampling.NEAREST)
        cutouts = (Image.fromarray(one).resize(size, Image.Resampling.BOX) for one in self.cutouts)
        return Scene(
            name=self.name,
            source=self.source,
            part=self.part,
            content=self.content,
            picture=self.picture.resize(size, Image.Resampling.BILINEAR),
            mask=mask,
            boxes=self.boxes * factors,
            classes=self.classes,
            cutouts=tuple(np.asarray(one) for one in cutouts),
        )
