"""From the bytes of an image to what a model reads, beside the event loop."""

from __future__ import annotations

import time
from dataclasses import dataclass

from vision.decoding import Scale, decode
from vision.framing import Framing, Pixels, Placement
from vision.images import CheckedImage, EncodedImage, ImageLimits
from vision.threads import ImageThreads


@dataclass(frozen=True, slots=True)
class Framed:
    """An image as a model reads it."""

    pixels: Pixels
    """uint8 [side, side, 3]"""
    placement: Placement
    """Where the original lies in it."""
    image: CheckedImage
    seconds: float = 0.0
    """What it took, waiting for a thread included."""


@dataclass(frozen=True, slots=True)
class ImageReader:
    """Checks images, decodes them in threads and frames them."""

    limits: ImageLimits
    threads: ImageThreads

    async def read(self, image: EncodedImage, framing: Framing) -> Framed:
        """The image as a model reads it. Raises InvalidInput for one that cannot be read."""
        started = time.perf_counter()
        checked = self.limits.checked(image)
        pixels = checked.size.pixels
        found = await self.threads.beside(pixels, frame, checked, framing)
        return Framed(found.pixels, found.placement, checked, time.perf_counter() - started)


def frame(image: CheckedImage, framing: Framing) -> Framed:
    """Decode an image and frame it, on this thread. Raises InvalidInput."""
    scale: Scale = framing.scale
    picture = decode(image, scale)
    return Framed(framing.frame(picture), framing.place(picture), image)
