"""A photograph that need not be downloaded: noise as smooth as photographs are."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIZE = (640, 480)
QUALITY = 90


def made_photo(seed: int) -> bytes:
    """A JPEG whose spectrum falls with the frequency, as that of photographs does."""
    width, height = SIZE
    rng = np.random.default_rng(seed)
    down, across = np.meshgrid(np.fft.fftfreq(height), np.fft.rfftfreq(width), indexing="ij")
    frequency = np.hypot(down, across)
    frequency[0, 0] = 1

    def plane() -> NDArray[np.float64]:
        noise = np.fft.rfft2(rng.normal(size=(height, width))) / frequency
        values = np.fft.irfft2(noise, (height, width))
        return np.asarray(values / values.std(), np.float64)

    shared = plane()
    colours = np.stack([0.8 * shared + 0.2 * plane() for _ in range(3)], axis=-1)
    file = BytesIO()
    pixels = (128 + 50 * colours).clip(0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()
