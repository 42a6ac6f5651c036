"""Files of pictures as the service frames them: the very same code."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from vision.framing import Framing
from vision.image_reader import Framed, frame
from vision.images import EncodedImage, ImageLimits
from vision.training.cifar import Pictures

LIMITS = ImageLimits()


def framed(content: bytes, framing: Framing) -> Framed:
    return frame(LIMITS.checked(EncodedImage("image", content)), framing)


def pictures_of(contents: Iterable[bytes], framing: Framing) -> Pictures:
    """uint8 [rows, side, side, 3]"""
    return np.stack([framed(content, framing).pixels for content in contents])
