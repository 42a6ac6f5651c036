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
from vision.framing import Boxes, Mask
from vision.images import CheckedImage
from vision.palette import BACKGROUND, Colour, colour_of
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
    draw = ImageDraw.Draw(picture)
    line = max(2, max(picture.size) // 300)
    font = _font(max(12, max(picture.size) // 45))
    boxes = _within(things.boxes * np.float32(scale), picture)
    # The surest last, on top of the others.
    for at in reversed(range(len(boxes))):
        label = f"{labels[things.classes[at]]} {things.scores[at]:.0%}"
        _draw_box(draw, boxes[at].tolist(), label, colour_of(int(things.classes[at])), line, font)
    return _encoded(picture, canvas)


def draw_mask(image: CheckedImage, mask: Mask, canvas: Canvas) -> bytes:
    """A file of the upright image, coloured where the mask is not background.

    mask: uint8, of the image's shape in any size. Raises InvalidInput for an image that cannot be
    read.
    """
    picture, _ = _picture(image, canvas)
    sized = np.asarray(Image.fromarray(mask).resize(picture.size, Resampling.NEAREST))
    colours = np.array([BACKGROUND, *(colour_of(one) for one in range(255))], np.float32)[sized]
    pixels = np.asarray(picture, np.float32)
    mixed = pixels + (colours - pixels) * np.where(sized == 0, 0, STRENGTH)[..., None]
    return _encoded(Image.fromarray(mixed.round().astype(np.uint8)), canvas)


def _picture(image: CheckedImage, canvas: Canvas) -> tuple[Image.Image, float]:
    """The image as large as it is drawn, and how much of its size that is."""

    def scale(width: int, height: int) -> float:
        return min(1.0, canvas.longest / max(width, height))

    found: Picture = decode(image, scale)
    share = scale(found.width, found.height)
    size = (max(1, round(found.width * share)), max(1, round(found.height * share)))
    return found.pixels.resize(size, Resampling.HAMMING, found.region), share


def _within(boxes: Boxes, picture: Image.Image) -> Boxes:
    """Boxes whose outermost lines can be seen."""
    return np.clip(boxes, 0, np.array([*picture.size, *picture.size], np.float32) - 1)


def _draw_box(
    draw: ImageDraw.ImageDraw,
    box: Sequence[float],
    label: str,
    colour: Colour,
    line: int,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> None:
    left, top, right, bottom = box
    draw.rectangle((left, top, right, bottom), outline=colour, width=line)
    _, _, wide, high = draw.textbbox((0, 0), label, font=font)
    # Above the box where there is room, else inside it.
    at = top - high - 2 * line if top >= high + 2 * line else top
    draw.rectangle((left, at, left + wide + 2 * line, at + high + 2 * line), fill=colour)
    draw.text((left + line, at + line), label, fill=(0, 0, 0), font=font)


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
