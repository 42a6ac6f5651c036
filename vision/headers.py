"""What an image's first bytes say of its size, read without decoding anything.

Decoders reserve memory by these numbers, some as soon as they open a file; so they are read and
judged here first.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from vision.formats import BMP, JPEG, PNG, WEBP, ImageFormat

MOST_SEGMENTS = 512
"""Of a JPEG before its picture begins. Large colour profiles and previews take a few hundred."""

_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of a JPEG that give its size."""
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers that nothing belongs to."""
_SCAN, _END = 0xDA, 0xD9


class BadHeader(Exception):
    """No size can be read; the message says why."""


@dataclass(frozen=True, slots=True)
class Size:
    """Pixels as they are stored, which may not be upright."""

    width: int
    height: int

    @property
    def pixels(self) -> int:
        return self.width * self.height


def read_size(content: bytes, kind: ImageFormat) -> Size:
    """The size of an image of this kind. Raises BadHeader."""
    try:
        size = _READERS[kind](content)
    except (struct.error, IndexError):
        raise BadHeader("it ends within its header") from None
    if size.width < 1 or size.height < 1:
        raise BadHeader("its header gives it no pixels")
    return size


def _read_png(content: bytes) -> Size:
    length, name, width, height = struct.unpack_from(">I4sII", content, 8)
    if name != b"IHDR" or length != 13:
        raise BadHeader("it does not begin with its header")
    return Size(width, height)


def _read_bmp(content: bytes) -> Size:
    [header_size] = struct.unpack_from("<I", content, 14)
    if header_size == 12:
        return Size(*struct.unpack_from("<HH", content, 18))
    # Below 0 the rows are stored from the top.
    width, height = struct.unpack_from("<ii", content, 18)
    [compression] = struct.unpack_from("<I", content, 30)
    if compression in (1, 2):
        raise BadHeader("run-length compression is not read, save it without")
    return Size(width, abs(height))


def _read_webp(content: bytes) -> Size:
    kind = content[12:16]
    if kind == b"VP8 ":
        if content[23:26] != b"\x9d\x01\x2a":
            raise BadHeader("it does not begin with its header")
        width, height = struct.unpack_from("<HH", content, 26)
        return Size(width & 0x3FFF, height & 0x3FFF)
    if kind == b"VP8L":
        [bits] = struct.unpack_from("<I", content, 21)
        return Size((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if kind == b"VP8X":
        canvas = int.from_bytes(content[24:30], "little")
        if len(content) < 30:
            raise IndexError
        return Size((canvas & 0xFFFFFF) + 1, (canvas >> 24) + 1)
    raise BadHeader("it does not begin with its header")


def _read_jpeg(content: bytes) -> Size:
    found: Size | None = None
    at = 2
    for _ in range(MOST_SEGMENTS):
        marker, at = _marker(content, at)
        if marker in _ALONE:
            continue
        if marker in (_SCAN, _END):
            break
        [length] = struct.unpack_from(">H", content, at)
        if marker in _FRAMES:
            if found is not None:
                raise BadHeader("it has more than one header")
            height, width = struct.unpack_from(">HH", content, at + 3)
            found = Size(width, height)
        at += length
    else:
        raise BadHeader(f"more than {MOST_SEGMENTS} segments stand before its picture")
    if found is None:
        raise BadHeader("it has no header")
    return found


def _marker(content: bytes, at: int) -> tuple[int, int]:
    """The marker at this place, and the place behind it."""
    if content[at] != 0xFF:
        raise BadHeader("its header is damaged")
    while content[at] == 0xFF:
        at += 1
    return content[at], at + 1


_READERS = {JPEG: _read_jpeg, PNG: _read_png, WEBP: _read_webp, BMP: _read_bmp}
