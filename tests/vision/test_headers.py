from __future__ import annotations

import struct
import time
from typing import Any

import pytest

from tests.vision.pictures import chunk, encoded, exif, plain, png_header
from vision.formats import BMP, JPEG, PNG, WEBP, ImageFormat
from vision.headers import MOST_SEGMENTS, BadHeader, Size, read_size

FILES: list[tuple[ImageFormat, dict[str, Any]]] = [
    (JPEG, {}),
    (JPEG, {"progressive": True}),
    (JPEG, {"exif": exif(6), "comment": b"x" * 1000}),
    (PNG, {}),
    (WEBP, {}),
    (WEBP, {"lossless": True}),
    (WEBP, {"exif": exif(3)}),
    (BMP, {}),
]


@pytest.mark.parametrize(("kind", "options"), FILES)
@pytest.mark.parametrize(("width", "height"), [(1, 1), (3, 500), (640, 7), (257, 129)])
def test_sizes_are_read_from_headers(
    kind: ImageFormat, options: dict[str, Any], width: int, height: int
) -> None:
    content = encoded(plain(width, height), kind.name.upper(), **options)

    assert read_size(content, kind) == Size(width, height)


@pytest.mark.parametrize(("kind", "options"), FILES)
def test_a_header_that_is_cut_off_says_so(kind: ImageFormat, options: dict[str, Any]) -> None:
    content = encoded(plain(64, 64), kind.name.upper(), **options)

    for length in range(3, 24):
        with pytest.raises(BadHeader):
            read_size(content[:length], kind)


def bmp(*head: Any, form: str, size: int) -> bytes:
    return b"BM" + bytes(12) + struct.pack("<I" + form, size, *head)


BITMAPS = [
    (bmp(7, 5, 1, 24, form="HHHH", size=12), Size(7, 5)),
    (bmp(7, -5, 1, 24, 0, form="iiHHI", size=40), Size(7, 5)),
    (bmp(7, 5, 1, 24, 3, form="iiHHI", size=124), Size(7, 5)),
]


@pytest.mark.parametrize(("content", "size"), BITMAPS)
def test_bitmaps_of_every_age_are_read(content: bytes, size: Size) -> None:
    assert read_size(content, BMP) == size


SEGMENT = b"\xff\xe1\x00\x02"
START = b"\xff\xd8"
FRAME = b"\xff\xc0\x00\x0b\x08" + struct.pack(">HH", 9, 8) + b"\x01\x01\x11\x00"
SCAN = b"\xff\xda\x00\x02"
BAD = [
    (JPEG, START + SEGMENT * MOST_SEGMENTS + FRAME + SCAN, "more than 512 segments stand before"),
    (JPEG, START + FRAME * 2 + SCAN, "it has more than one header"),
    (JPEG, START + SCAN, "it has no header"),
    (JPEG, START + b"\xff\xd9", "it has no header"),
    (JPEG, START + FRAME.replace(b"\x00\x09", b"\x00\x00") + SCAN, "its header gives it no pixels"),
    (JPEG, START + b"\x00" + FRAME, "its header is damaged"),
    (JPEG, START + b"\xff" * 1000, "it ends within its header"),
    (PNG, png_header(0, 5), "its header gives it no pixels"),
    (PNG, png_header(5, 5).replace(b"IHDR", b"IDAT"), "it does not begin with its header"),
    (PNG, png_header(5, 5)[:8] + chunk(b"IHDR", bytes(5)), "it does not begin with its header"),
    (WEBP, b"RIFF\0\0\0\0WEBPXXXX" + bytes(20), "it does not begin with its header"),
    (WEBP, b"RIFF\0\0\0\0WEBPVP8 " + bytes(20), "it does not begin with its header"),
    (WEBP, b"RIFF\0\0\0\0WEBPVP8X" + bytes(10), "it ends within its header"),
    (BMP, bmp(7, 5, 1, 8, 1, form="iiHHI", size=40), "run-length compression is not read, save"),
    (BMP, bmp(-7, 5, 1, 8, 0, form="iiHHI", size=40), "its header gives it no pixels"),
]


@pytest.mark.parametrize(("kind", "content", "message"), BAD)
def test_headers_that_cannot_be_are_refused_with_the_reason(
    kind: ImageFormat, content: bytes, message: str
) -> None:
    with pytest.raises(BadHeader, match=f"^{message}"):
        read_size(content, kind)


def test_the_largest_sizes_that_can_be_written_are_read() -> None:
    canvas = (2**24 - 1) | (2**24 - 1) << 24
    webp = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + canvas.to_bytes(6, "little")

    assert read_size(webp, WEBP) == Size(2**24, 2**24)
    assert read_size(png_header(2**32 - 1, 2**31), PNG).pixels > 2**62


@pytest.mark.parametrize("filling", [b"\xff", b"\xff\x01"])
def test_sixteen_million_bytes_of_nothing_are_judged_at_once(filling: bytes) -> None:
    content = START + filling * (2**24 // len(filling))
    started = time.perf_counter()
    with pytest.raises(BadHeader):
        read_size(content, JPEG)

    # One by one they would take more than half a second.
    assert time.perf_counter() - started < 0.2
