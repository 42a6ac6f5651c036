"""Pictures of any shape to the square that a model reads, and places in it back to the picture.

Pictures are made smaller by a mean over the area of each pixel, weighted by a Hamming window: the
plain mean counts whole pixels only, which moves edges by up to half of one. They are made larger by
linear interpolation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.Image import Resampling

from vision.decoding import Picture, Region

GREY = 114
"""What fills the rest of a letterbox."""

Pixels: TypeAlias = NDArray[np.uint8]
"""uint8 [height, width, 3], RGB"""
Boxes: TypeAlias = NDArray[np.float32]
"""float32 [n, 4], corners x0 y0 x1 y1 in pixels"""
Mask: TypeAlias = NDArray[np.uint8]
"""uint8 [height, width], the index of a class for every pixel"""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where an upright original lies in a model's square: at its top left."""

    width: int
    """Of the original."""
    height: int
    """Of the original."""
    covered_width: int
    """Pixels of the square that it covers."""
    covered_height: int

    def boxes_in_original(self, boxes: Boxes) -> Boxes:
        """Boxes of the square in pixels of the original, cut at its edges."""
        across, down = self.width / self.covered_width, self.height / self.covered_height
        scaled = boxes * np.array([across, down, across, down], np.float32)
        edges = np.array([self.width, self.height, self.width, self.height], np.float32)
        return np.clip(scaled, 0, edges)

    @property
    def columns(self) -> NDArray[np.intp]:
        """intp [width]: for every column of the original the nearest one of the square."""
        return _nearest(self.width, self.covered_width)

    @property
    def rows(self) -> NDArray[np.intp]:
        """intp [height]: for every row of the original the nearest one of the square."""
        return _nearest(self.height, self.covered_height)

    def mask_in_original(self, mask: Mask) -> Mask:
        """A mask of the square as one of the original: every pixel as the nearest one."""
        # Columns first, while there are few rows: then rows are copied whole.
        return mask[:, self.columns][self.rows]


@dataclass(frozen=True, slots=True)
class Letterbox:
    """The whole picture at the top left of a square, the rest grey."""

    side: int

    def scale(self, width: int, height: int) -> float:
        """How much of its size a picture keeps; may be above 1."""
        return self.side / max(width, height)

    def place(self, picture: Picture) -> Placement:
        """Where a picture comes to lie."""
        scale = self.scale(picture.width, picture.height)
        return Placement(
            picture.width,
            picture.height,
            max(1, round(picture.width * scale)),
            max(1, round(picture.height * scale)),
        )

    def frame(self, picture: Picture) -> Pixels:
        """uint8 [side, side, 3]"""
        place = self.place(picture)
        framed = np.full((self.side, self.side, 3), GREY, np.uint8)
        framed[: place.covered_height, : place.covered_width] = _resized(
            picture.pixels,
            (place.covered_width, place.covered_height),
            picture.region,
        )
        return framed


@dataclass(frozen=True, slots=True)
class CentreSquare:
    """The largest square in the middle of the picture; the rest is cut off."""

    side: int

    def scale(self, width: int, height: int) -> float:
        """How much of its size a picture keeps; may be above 1."""
        return self.side / min(width, height)

    def place(self, picture: Picture) -> Placement:
        """The square itself: nothing in it is given back a place in the original."""
        return Placement(self.side, self.side, self.side, self.side)

    def frame(self, picture: Picture) -> Pixels:
        """uint8 [side, side, 3]"""
        left, top, right, bottom = picture.region
        short = min(right - left, bottom - top)
        left, top = (left + right - short) / 2, (top + bottom - short) / 2
        return _resized(
            picture.pixels, (self.side, self.side), (left, top, left + short, top + short)
        )


Framing: TypeAlias = Letterbox | CentreSquare


def _resized(picture: Image.Image, size: tuple[int, int], box: Region) -> Pixels:
    """What lies in the box, at this size."""
    smaller = box[2] - box[0] >= size[0] and box[3] - box[1] >= size[1]
    by = Resampling.HAMMING if smaller else Resampling.BILINEAR
    return np.asarray(picture.resize(size, by, box))


def _nearest(original: int, covered: int) -> NDArray[np.intp]:
    """For every pixel of the original the one whose area its centre lies in."""
    return (np.arange(original) * 2 + 1) * covered // (2 * original)
