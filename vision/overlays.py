"""Pictures for people: what was found, drawn on the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import Literal, TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from PIL.Image import Resampling

from vision.decoding import Picture, decode
from vision.framing import Mask
from vision.images import CheckedImage
from vision.palette import Colour, colour_of, mask_palette
from vision.suppression import Things

QUALITY = 85
"""Of JPEG files, 1 to 95."""
STRENGTH = 0.5
"""Share of a class's colour where a mask covers the image."""

Encoding: TypeAlias = Literal["PNG", "JPEG"]


@dataclass(frozen=True, slots=True)
class Canvas:
    """How pictures are drawn."""

    encoding: Encoding
    longest: int
    """Of their sides, in pixels; larger images are made smaller."""


def draw_boxes(image: CheckedImage, things: Things, labels: Sequence[str], canvas: Canvas) -> bytes:
    """A file of the upright image with a box and a label for every thing.

    things: boxes in pixels of the original. Raises InvalidInput for an image that cannot be read.
    """
    picture, scale = _picture(image, canvas)
    pen = _Pen(picture)
    boxes = things.boxes * np.float32(scale)
    # The surest last, on top of the others.
    for at in reversed(range(len(boxes))):
        label = f"{labels[things.classes[at]]} {things.scores[at]:.0%}"
        pen.box(boxes[at].tolist(), label, colour_of(int(things.classes[at])))
    return _encoded(picture, canvas)


def draw_mask(image: CheckedImage, mask: Mask, labels: Sequence[str], canvas: Canvas) -> bytes:
    """A file of the upright image, coloured where the mask is not background, and what is what.

    mask: uint8, of the image's shape in any size, indices of labels. Raises InvalidInput for an
    image that cannot be read.
    """
    picture, _ = _picture(image, canvas)
    sized = Image.fromarray(mask).resize(picture.size, Resampling.NEAREST)
    covered = sized.point([0] + [255] * 255)
    sized.putpalette(mask_palette())
    picture.paste(Image.blend(picture, sized.convert("RGB"), STRENGTH), mask=covered)
    pen, below = _Pen(picture), 0.0
    for one in np.unique(mask[mask > 0]).tolist():
        below = pen.label(0.0, below, labels[one], colour_of(one - 1))
    return _encoded(picture, canvas)


def _picture(image: CheckedImage, canvas: Canvas) -> tuple[Image.Image, float]:
    """The image as large as it is drawn, and how much of its size that is."""

    def scale(width: int, height: int) -> float:
        return min(1.0, canvas.longest / max(width, height))

    found: Picture = decode(image, scale)
    share = scale(found.width, found.height)
    size = (max(1, round(found.width * share)), max(1, round(found.height * share)))
    return found.pixels.resize(size, Resampling.HAMMING, found.region), share


class _Pen:
    """Draws lines and labels as large as they can be read on a picture of its size."""

    def __init__(self, picture: Image.Image) -> None:
        self._draw = ImageDraw.Draw(picture)
        self._width, self._height = picture.size
        self._line = max(2, max(picture.size) // 300)
        self._font = _font(max(12, max(picture.size) // 45))

    def box(self, box: Sequence[float], text: str, colour: Colour) -> None:
        """A box with a label: above it where there is room, else inside."""
        # So that the outermost lines can be seen.
        left, right = (min(max(x, 0.0), self._width - 1) for x in box[::2])
        top, bottom = (min(max(y, 0.0), self._height - 1) for y in box[1::2])
        self._draw.rectangle((left, top, right, bottom), outline=colour, width=self._line)
        above = top - self._size_of(text)[1]
        self.label(left, above if above >= 0 else top, text, colour)

    def label(self, left: float, top: float, text: str, colour: Colour) -> float:
        """A label, moved to the left where it would leave the picture; gives its lower edge."""
        wide, high = self._size_of(text)
        left = max(0.0, min(left, self._width - wide))
        self._draw.rectangle((left, top, left + wide - 1, top + high - 1), fill=colour)
        place = (left + self._line, top + self._line)
        self._draw.text(place, text, fill=(0, 0, 0), font=self._font)
        return top + high

    def _size_of(self, text: str) -> tuple[float, float]:
        _, _, wide, high = self._draw.textbbox((0, 0), text, font=self._font)
        return wide + 2 * self._line, high + 2 * self._line


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The font that comes with Pillow."""
    return ImageFont.load_default(size)


def _encoded(picture: Image.Image, canvas: Canvas) -> bytes:
    file = BytesIO()
    if canvas.encoding == "JPEG":
        picture.save(file, "JPEG", quality=QUALITY)
    else:
        picture.save(file, "PNG", compress_level=3)
    return file.getvalue()
