"""Pictures made for tests, and their files."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vision.framing import Pixels
from vision.images import CheckedImage, EncodedImage, ImageLimits

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def plain(width: int, height: int, colour: tuple[int, int, int] = (0, 0, 0)) -> Pixels:
    return np.full((height, width, 3), colour, np.uint8)


def with_box(
    pixels: Pixels, box: tuple[int, int, int, int], colour: tuple[int, int, int]
) -> Pixels:
    """The picture with a rectangle of one colour: x0 y0 x1 y1, the last ones not in it."""
    changed = pixels.copy()
    left, top, right, bottom = box
    changed[top:bottom, left:right] = colour
    return changed


def natural(width: int, height: int, seed: int = 0) -> Pixels:
    """Noise whose power falls with the square of the frequency, as that of photographs does."""
    rng = np.random.default_rng(seed)
    down, across = np.meshgrid(np.fft.fftfreq(height), np.fft.rfftfreq(width), indexing="ij")
    frequency = np.hypot(down, across)
    frequency[0, 0] = 1
    planes = []
    for _ in range(3):
        noise = np.fft.rfft2(rng.normal(size=(height, width))) / frequency
        plane = np.fft.irfft2(noise, (height, width))
        planes.append(128 + 50 * (plane - plane.mean()) / plane.std())
    shared = planes[0]
    # Colours of photographs mostly rise and fall together.
    mixed = np.stack([0.8 * shared + 0.2 * plane for plane in planes], axis=-1)
    return mixed.clip(0, 255).round().astype(np.uint8)


def encoded(picture: Pixels | Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """The bytes of a file."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def checked(content: bytes, limits: ImageLimits | None = None) -> CheckedImage:
    return (limits or ImageLimits()).checked(EncodedImage("image", content))


def exif(orientation: int) -> bytes:
    """Exif\\0\\0 and a TIFF directory that says only this."""
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    return b"Exif\0\0" + b"II*\0" + struct.pack("<IH", 8, 1) + entry + bytes(4)


def as_camera(pixels: Pixels, orientation: int) -> Pixels:
    """How a camera that was held like this stores an upright picture."""
    stored = pixels
    if orientation in (5, 6, 7, 8):
        stored = stored.transpose(1, 0, 2)
    # After 5 to 8 were transposed, the rest is what 1 to 4 are.
    mirrored = {2: (1,), 3: (0, 1), 4: (0,), 6: (0,), 7: (0, 1), 8: (1,)}.get(orientation, ())
    return np.ascontiguousarray(np.flip(stored, mirrored))


def chunk(name: bytes, content: bytes) -> bytes:
    """A chunk of a PNG."""
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


def png_header(width: int, height: int, depth: int = 8, colours: int = 2) -> bytes:
    """A PNG up to its pixels."""
    said = struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0)
    return PNG_SIGNATURE + chunk(b"IHDR", said)


def png_of_zeros(width: int, height: int) -> bytes:
    """A black RGBA picture in as few bytes as possible, made without its pixels."""
    packer = zlib.compressobj(9)
    row = bytes(width * 4 + 1)
    packed = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    return png_header(width, height, colours=6) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def opened(content: bytes) -> NDArray[np.uint8]:
    """The pixels of a file that was answered with."""
    return np.asarray(Image.open(BytesIO(content)))
