"""Which way up a camera held a picture, from its EXIF."""

from __future__ import annotations

import struct
from typing import Final

from PIL.Image import Transpose

UPRIGHT: Final = 1
TURNS: Final = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
"""What turns a picture upright, by orientation."""
LYING: Final = frozenset({5, 6, 7, 8})
"""Orientations whose width is the upright height."""
MIRRORED: Final = frozenset({2, 3, 6, 7})
"""Those whose right edge, after what is lying was transposed, is the upright left edge."""
UPSIDE_DOWN: Final = frozenset({3, 4, 7, 8})
"""Those whose lower edge is, likewise, the upright upper edge."""

_PREFIX = b"Exif\0\0"
_TAG = 0x0112
_SHORT, _LONG = 3, 4


def orientation_of(exif: bytes) -> int:
    """1 to 8, as EXIF 2.3 has it; 1 where nothing is said, or nothing that can be understood.

    exif: a TIFF header and its directories, with or without the six bytes that JPEG puts before.
    """
    tiff = exif.removeprefix(_PREFIX)
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return UPRIGHT
    try:
        found = _value(tiff, order)
    except struct.error:
        return UPRIGHT
    return found if found in TURNS else UPRIGHT


def _value(tiff: bytes, order: str) -> int:
    """The tag's value in the first directory. Raises struct.error where that is cut off."""
    [start] = struct.unpack_from(f"{order}I", tiff, 4)
    [count] = struct.unpack_from(f"{order}H", tiff, start)
    for at in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind = struct.unpack_from(f"{order}HH", tiff, at)
        if tag == _TAG:
            width = {_SHORT: "H", _LONG: "I"}.get(kind)
            return int(struct.unpack_from(order + width, tiff, at + 8)[0]) if width else UPRIGHT
    return UPRIGHT
