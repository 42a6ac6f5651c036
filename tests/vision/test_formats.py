from __future__ import annotations

import pytest

from tests.vision.pictures import encoded, plain
from vision.formats import BMP, JPEG, PNG, WEBP, declared_format, description, format_of


@pytest.mark.parametrize("kind", [JPEG, PNG, WEBP, BMP], ids=lambda kind: kind.name)
def test_what_is_read_is_known_by_its_first_bytes(kind: object) -> None:
    name = getattr(kind, "name")  # noqa: B009

    assert format_of(encoded(plain(5, 7), name.upper())) is kind


OTHERS = [
    (b"GIF89a\1\0\1\0", "a GIF"),
    (encoded(plain(2, 2), "GIF"), "a GIF"),
    (encoded(plain(2, 2), "TIFF"), "a TIFF"),
    (b"MM\0*\0\0\0\x08", "a TIFF"),
    (b"\0\0\0\x1cftypavif\0\0\0\0", "an AVIF"),
    (b"\0\0\0\x18ftypheic\0\0\0\0", "a HEIC"),
    (b"\0\0\0\x18ftypmp42\0\0\0\0", "a video"),
    (b"\xff\x0a\xfa\x1f", "a JPEG XL"),
    (encoded(plain(2, 2), "ICO"), "an icon"),
    (b"%PDF-1.7\n\xff\xd8\xff", "a PDF"),
    (b"PK\3\4\x14\0", "a ZIP archive"),
    (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG"),
    (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- \xc3\xa9 --><svg/>', "an SVG"),
    (b"<html><body>404</body></html>", "text"),
    (b"BM is how this text begins, and no bitmap.", "text"),
    (b"x" * 1023 + "\u00e9".encode(), "text"),
    (b"data:image/png;base64,iVBORw0KGgo", "a data: URL"),
    (b"/9j/4AAQSkZJRgABAQ", "base64 text, which has to be decoded first"),
    (b"iVBORw0KGgoAAAANSUhEUg", "base64 text, which has to be decoded first"),
    (bytes(64), "no image that is known here"),
    (b"\x93\x12\xfe\xcc", "no image that is known here"),
    (b"RIFF\x24\0\0\0WAVEfmt ", "no image that is known here"),
    (b"\xff\xd8", "no image that is known here"),
]


@pytest.mark.parametrize(("content", "name"), OTHERS, ids=[repr(one[:8]) for one, _ in OTHERS])
def test_what_is_not_read_is_called_by_its_name(content: bytes, name: str) -> None:
    assert format_of(content) is None
    assert description(content) == name


def test_media_types_stand_for_formats() -> None:
    assert declared_format("image/jpg") is JPEG
    assert declared_format("image/webp") is WEBP
    assert declared_format("image/gif") is None
