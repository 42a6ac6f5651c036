"""What an image's first bytes say of its size, read without decoding anything.

Decoders reserve memory by these numbers, some as soon as they open a file; so they are read and
judged here first.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from vision.formats import BMP, JPEG, PNG, WEBP, ImageFormat

_ENDS = "it ends within its header"
MOST_SEGMENTS = 512
"""Of a JPEG before its picture begins. Large colour profiles and previews take a few hundred."""

_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of a JPEG that give its size."""
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers that nothing belongs to."""
SCAN = 0xDA
_END = 0xD9
_FILL = re.compile(rb"\xff+")
_WITHIN_PICTURE = re.compile(rb"\xff(?=[^\x00\xd0-\xd7\xff])")
"""What stands before a marker among the bytes of a picture."""


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
        raise BadHeader(_ENDS) from None
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
    for count, (marker, at, _) in enumerate(jpeg_segments(content)):
        if count == MOST_SEGMENTS:
            raise BadHeader(f"more than {MOST_SEGMENTS} segments stand before its picture")
        if marker == SCAN:
            break
        if marker in _FRAMES:
            if found is not None:
                raise BadHeader("it has more than one header")
            height, width = struct.unpack_from(">HH", content, at + 3)
            found = Size(width, height)
    if found is None:
        raise BadHeader("it has no header")
    return found


def jpeg_segments(content: bytes) -> Iterator[tuple[int, int, int]]:
    """Every segment of a JPEG up to its end: its marker, and from where to where its content is.

    Raises BadHeader, IndexError or struct.error where the segments before the picture are damaged
    or cut off.
    """
    at, within_picture = 2, False
    while True:
        before = _WITHIN_PICTURE.search(content, at) if within_picture else _FILL.match(content, at)
        if before is None:
            if within_picture:
                return
            raise BadHeader(_ENDS if at >= len(content) else "its header is damaged")
        marker, start = content[before.end()], before.end() + 1
        if marker == _END:
            return
        at = start
        if marker not in _ALONE:
            [length] = struct.unpack_from(">H", content, start)
            at += length
        yield marker, start, at
        within_picture = within_picture or marker == SCAN


_READERS = {JPEG: _read_jpeg, PNG: _read_png, WEBP: _read_webp, BMP: _read_bmp}
