"""What of a file makes its picture; the rest is not even shown to a decoder.

Texts and colour profiles unpack to a thousand times their size, a text can be called as something
that the decoder itself notes down, reading metadata takes longer than reading a picture, and the
further pictures of an animation are not looked at.
"""

from __future__ import annotations

from mlmesh.runtime.errors import InvalidInput
from vision.formats import JPEG, PNG
from vision.headers import SCAN, jpeg_segments
from vision.images import CheckedImage

MOST_SCANS = 100
"""Of a progressive JPEG: each is a pass over all of its pixels; cameras and editors write ten."""
MOST_SEGMENTS = 10 * MOST_SCANS
"""Of a JPEG: those before its picture, and up to five before each scan."""
MOST_CHUNKS = 20_000
"""Of a PNG. One of 16 MiB in the usual pieces of 8 KiB has 2,000."""

_NOTES = frozenset({*range(0xE1, 0xF0), 0xFE}) - {0xEE}
"""Markers of what programs and people note down in a JPEG; Adobe's says how colours are stored."""
_EXIF, _EXIF_BEGINS = 0xE1, b"Exif\0\0"
_SIGNATURE = 8
_ANCILLARY = 0x20
"""This bit of the first letter of a chunk's name says that a PNG can be shown without it."""
_FRAME = 12
"""Bytes around the content of a chunk: its length, its name and a sum."""


def essentials_of(image: CheckedImage) -> tuple[bytes, bytes]:
    """A file of the same picture and not much else, and the EXIF, empty where none was taken out.

    Raises InvalidInput for a file of so many parts that reading them would take seconds, and
    ValueError or struct.error for one that is damaged or cut off.
    """
    if image.format is JPEG:
        _check_scans(image)
        return _of_jpeg(image.content)
    if image.format is PNG:
        return _of_png(image)
    return image.content, b""


def _of_jpeg(jpeg: bytes) -> tuple[bytes, bytes]:
    content = memoryview(jpeg)
    kept, exif = [content[:2]], b""
    for marker, at, end in jpeg_segments(jpeg):
        if marker == SCAN:
            kept.append(content[at - 2 :])
            break
        if marker == _EXIF and jpeg.startswith(_EXIF_BEGINS, at + 2):
            exif = exif or bytes(content[at + 2 : end])
        elif marker not in _NOTES:
            kept.append(content[at - 2 : end])
    return b"".join(kept), exif


def _check_scans(image: CheckedImage) -> None:
    # Seldom more: only behind the picture this pair of bytes occurs by chance.
    if image.content.count(b"\xff\xda") <= MOST_SCANS:
        return
    scans = 0
    for count, (marker, _, _) in enumerate(jpeg_segments(image.content)):
        scans += marker == SCAN
        if scans > MOST_SCANS or count > MOST_SEGMENTS:
            raise _too_many(image, f"{MOST_SCANS} scans")


def _of_png(image: CheckedImage) -> tuple[bytes, bytes]:
    content = memoryview(image.content)
    kept, exif = [content[:_SIGNATURE]], b""
    at = _SIGNATURE
    for _ in range(MOST_CHUNKS):
        if at >= len(content):
            # Its pixels may be whole, but nobody can tell.
            raise ValueError("there is no end")
        end = at + int.from_bytes(content[at : at + 4], "big") + _FRAME
        name = bytes(content[at + 4 : at + 8])
        if name == b"eXIf":
            exif = exif or bytes(content[at + 8 : end - 4])
        elif name == b"tRNS" or not (name and name[0] & _ANCILLARY):
            kept.append(content[at:end])
        if name == b"IEND":
            return b"".join(kept), exif
        at = end
    raise _too_many(image, f"{MOST_CHUNKS} chunks")


def _too_many(image: CheckedImage, parts: str) -> InvalidInput:
    return InvalidInput(
        image.field, f"this {image.format.name} has more than {parts}; save it anew"
    )
