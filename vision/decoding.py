"""Bytes of an image to its pixels: upright, RGB, and no larger than they are needed."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Final, TypeAlias

import numpy as np
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from mlmesh.runtime.errors import InvalidInput
from vision.essentials import essentials_of
from vision.formats import BMP, JPEG, PNG, WEBP
from vision.headers import Size
from vision.images import CheckedImage
from vision.orientation import LYING, MIRRORED, TURNS, UPSIDE_DOWN, orientation_of

OVERSAMPLED = 2
"""A JPEG is decoded to no less than so many times the size that is needed: what the decoder makes
smaller is sharper than a mean over each pixel's area, which shows where little is left to do."""
BEHIND = (255, 255, 255)
"""What shows through where a picture is transparent."""

Scale: TypeAlias = Callable[[int, int], float]
"""From a picture's two sides, in any order, to the least share of its size that is needed."""

Region: TypeAlias = tuple[float, float, float, float]
"""Left, upper, right and lower edge."""

# The classes themselves, not Image.open: it knows dozens of formats.
_OPEN: Final[dict[object, Callable[[BytesIO], ImageFile]]] = {
    JPEG: JpegImageFile,
    PNG: PngImageFile,
    WEBP: WebPImageFile,
    BMP: BmpImageFile,
}
_DAMAGES = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    OverflowError,
    struct.error,
    zlib.error,
)
"""What the decoders raise for a file that is broken."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded image."""

    pixels: Image.Image
    """Upright, mode RGB; may be smaller than the original."""
    region: Region
    """The part of the pixels that is the original: made smaller, it may end within a pixel."""
    width: int
    """Of the upright original."""
    height: int
    """Of the upright original."""


def full_size(width: int, height: int) -> float:
    """The scale of a picture that is needed as it is."""
    return 1.0


def decode(image: CheckedImage, scale: Scale = full_size) -> Picture:
    """Decode an image, of an animated one the first picture.

    A JPEG is decoded at an eighth, a quarter or half of its size where that is still at least twice
    what `scale` asks for. What is transparent shows white behind it. Of 16 bits the upper eight are
    kept; colour profiles are not applied. Raises InvalidInput for a file that is cut off or
    damaged.
    """
    try:
        return _decoded(image, scale)
    except _DAMAGES:
        raise InvalidInput(
            image.field,
            f"this {image.format.name} ends too early or is damaged; send the whole file",
        ) from None


def _decoded(image: CheckedImage, scale: Scale) -> Picture:
    size = image.size
    content, exif = essentials_of(image)
    with _OPEN[image.format](BytesIO(content)) as opened:
        if opened.size != (size.width, size.height):
            raise ValueError("the decoder reads another size than the header gives")
        least = scale(size.width, size.height) * OVERSAMPLED
        drafted = opened.draft("RGB", (_least(size.width, least), _least(size.height, least)))
        opened.load()
        pixels = _as_rgb(opened)
        turn = orientation_of(exif or opened.info.get("exif", b""))
    across, down = drafted[1][2:] if drafted else pixels.size
    return _upright(pixels, (across, down), size, turn)


def _least(side: int, share: float) -> int:
    return max(1, math.ceil(side * share))


def _upright(
    pixels: Image.Image, covered: tuple[float, float], original: Size, turn: int
) -> Picture:
    """Turn a picture; `covered` is how much of it, from its top left, the original takes."""
    if turn not in TURNS:
        return Picture(pixels, (0.0, 0.0, *covered), original.width, original.height)
    turned = pixels.transpose(TURNS[turn])
    across, down = covered
    width, height = original.width, original.height
    if turn in LYING:
        across, down, width, height = down, across, height, width
    left = turned.width - across if turn in MIRRORED else 0.0
    top = turned.height - down if turn in UPSIDE_DOWN else 0.0
    return Picture(turned, (left, top, left + across, top + down), width, height)


def _as_rgb(image: Image.Image) -> Image.Image:
    """Any mode that the decoders give as RGB."""
    if image.mode == "I;16":
        # Pillow would cut off what is above 255.
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        seen = image if image.mode == "RGBA" else image.convert("RGBA")
        behind = Image.new("RGB", image.size, BEHIND)
        behind.paste(seen, mask=seen)
        return behind
    # Pillow would copy it.
    return image if image.mode == "RGB" else image.convert("RGB")
