"""What of a PNG makes its picture; the rest is not even shown to a decoder.

Texts and colour profiles unpack to a thousand times their size, a text can be called as something
that the decoder itself notes down, and the further pictures of an animation are not looked at.
"""

from __future__ import annotations

from mlmesh.runtime.errors import InvalidInput
from vision.images import CheckedImage

MOST_CHUNKS = 20_000
"""One of 16 MiB in the usual pieces of 8 KiB has 2,000."""

_SIGNATURE = 8
_ANCILLARY = 0x20
"""This bit of the first letter of a chunk's name says that a picture can be shown without it."""
_FRAME = 12
"""Bytes around the content of a chunk: its length, its name and a sum."""


def picture_and_exif(image: CheckedImage) -> tuple[bytes, bytes]:
    """A PNG of the same picture and nothing else, and the EXIF; empty where there is none.

    Raises InvalidInput for a file of so many chunks that reading them would take seconds, and
    ValueError for one without its end: its pixels may be whole, but nobody can tell.
    """
    content = memoryview(image.content)
    kept, exif = [content[:_SIGNATURE]], b""
    at = _SIGNATURE
    for _ in range(MOST_CHUNKS):
        if at >= len(content):
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
    raise InvalidInput(image.field, f"this PNG has more than {MOST_CHUNKS} chunks; save it anew")
