"""Kinds of image files: those that are read, and the names of those that are not."""

from __future__ import annotations

import codecs
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ImageFormat:
    """A kind of file that is read."""

    name: str
    media_types: frozenset[str]
    """What callers say for it, the registered name and those that are found in the wild."""


JPEG = ImageFormat("JPEG", frozenset({"image/jpeg", "image/jpg", "image/pjpeg"}))
PNG = ImageFormat("PNG", frozenset({"image/png", "image/x-png", "image/apng"}))
WEBP = ImageFormat("WebP", frozenset({"image/webp"}))
BMP = ImageFormat(
    "BMP", frozenset({"image/bmp", "image/x-bmp", "image/x-ms-bmp", "image/x-windows-bmp"})
)
FORMATS = (JPEG, PNG, WEBP, BMP)
READ = "JPEG, PNG, WebP or BMP"
UNDECLARED = frozenset({"", "application/octet-stream"})

BMP_HEADER_SIZES = frozenset({12, 40, 52, 56, 64, 108, 124})
_FIRST_BYTES = 1024
_OTHERS = (
    (0, b"GIF8", "a GIF"),
    (0, b"II*\0", "a TIFF"),
    (0, b"MM\0*", "a TIFF"),
    (0, b"II+\0", "a TIFF"),
    (0, b"MM\0+", "a TIFF"),
    (4, b"ftypavi", "an AVIF"),
    (4, b"ftyphei", "a HEIC"),
    (4, b"ftyphev", "a HEIC"),
    (4, b"ftypmif1", "a HEIF"),
    (4, b"ftyp", "a video"),
    (0, b"\0\0\0\x0cJXL ", "a JPEG XL"),
    (0, b"\xff\x0a", "a JPEG XL"),
    (0, b"\0\0\0\x0cjP", "a JPEG 2000"),
    (0, b"8BPS", "a Photoshop file"),
    (0, b"\0\0\1\0", "an icon"),
    (0, b"%PDF", "a PDF"),
    (0, b"PK\3\4", "a ZIP archive"),
    (0, b"\x1f\x8b", "a gzip file"),
    (0, b"data:", "a data: URL"),
    (0, b"/9j/", "base64 text, which has to be decoded first"),
    (0, b"iVBORw0KGgo", "base64 text, which has to be decoded first"),
)


def format_of(content: bytes) -> ImageFormat | None:
    """The kind that the first bytes tell; None for every other."""
    if content.startswith(b"\xff\xd8\xff"):
        return JPEG
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return WEBP
    # Two letters alone begin many a text.
    if content.startswith(b"BM") and content[14:18] in _BMP_HEADERS:
        return BMP
    return None


def declared_format(media_type: str) -> ImageFormat | None:
    """The kind that a media type stands for; None for one that is not read."""
    return next((kind for kind in FORMATS if media_type in kind.media_types), None)


def description(content: bytes) -> str:
    """What bytes are that are not read, for people: "a GIF", "text"."""
    for offset, magic, name in _OTHERS:
        if content.startswith(magic, offset):
            return name
    head = content[:_FIRST_BYTES]
    if b"<svg" in head:
        return "an SVG"
    return "text" if _is_text(head) else "no image that is known here"


def _is_text(head: bytes) -> bool:
    try:
        # Not final: a character may be cut at the end.
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return all(one.isprintable() or one.isspace() for one in text)


_BMP_HEADERS = frozenset(size.to_bytes(4, "little") for size in BMP_HEADER_SIZES)
