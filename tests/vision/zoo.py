"""Images as nobody should send them, and what has to be said of each."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tests.vision.pictures import (
    RED,
    as_camera,
    chunk,
    encoded,
    exif,
    natural,
    plain,
    png_header,
    with_box,
)
from vision.images import ImageLimits

LIMITS = ImageLimits()
SCENE = with_box(plain(128, 96), (32, 16, 96, 80), RED)
"""A red box, on edges of the detector's pixels."""
BOX = (32, 16, 96, 80)
PHOTO = natural(320, 240)
FILES = {
    "JPEG": encoded(PHOTO, "JPEG"),
    "progressive JPEG": encoded(PHOTO, "JPEG", progressive=True),
    "PNG": encoded(natural(160, 120)),
    "WebP": encoded(PHOTO, "WEBP"),
    "BMP": encoded(natural(160, 120), "BMP"),
}


@dataclass(frozen=True)
class Animal:
    """A file, and how the answer begins: empty for an answer, or the beginning of a refusal."""

    name: str
    content: bytes
    refusal: str = ""
    reason: str = "INVALID_INPUT"


def animals() -> Iterator[Animal]:
    """All of them but those that are whole and upright."""
    yield from _sizes()
    yield from _cut_off()
    yield from _others()
    yield from _polyglots()


def _sizes() -> Iterator[Animal]:
    for kind in ("JPEG", "PNG", "BMP"):
        yield Animal(f"1x1 {kind}", encoded(plain(1, 1), kind))
        yield Animal(f"1x65500 {kind}", encoded(plain(1, 65_500), kind))
    yield Animal("1x65535 PNG", encoded(plain(1, 65_535)))
    yield Animal("65535x1 PNG", encoded(plain(65_535, 1)))
    yield Animal(
        "65536x1 PNG", encoded(plain(65_536, 1)), "65536 x 1, the limit of a side is 65535"
    )
    too_many = "65535 x 65535 is 4294836225 pixels, the limit is 50000000; send it smaller"
    yield Animal("65535x65535 PNG without data", png_header(65_535, 65_535), too_many)
    frame = b"\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03\x01\x11\0\x02\x11\0\x03\x11\0"
    yield Animal(
        "65535x65535 JPEG without data", b"\xff\xd8" + frame + b"\xff\xda\x00\x02", too_many
    )
    canvas = (65_534 | 65_534 << 24).to_bytes(6, "little")
    webp = b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + canvas
    yield Animal("65535x65535 WebP without data", webp, too_many)
    bitmap = b"BM" + bytes(12) + struct.pack("<IiiHHI", 40, 65_535, 65_535, 1, 24, 0) + bytes(20)
    yield Animal("65535x65535 BMP without data", bitmap, too_many)
    yield Animal("11 KB that would be 400 MB", bomb(), "10000 x 10000 is 100000000 pixels, the")


def _cut_off() -> Iterator[Animal]:
    for name, content in FILES.items():
        kind = name.rpartition(" ")[2]
        for tenth in range(1, 10):
            cut = content[: len(content) * tenth // 10]
            yield Animal(f"{tenth}0 % of a {name}", cut, f"this {kind} ")


def _others() -> Iterator[Animal]:
    refused = "; send JPEG, PNG, WebP or BMP"
    unread = "UNSUPPORTED_MEDIA_TYPE"
    svg = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script/></svg>'
    yield Animal("SVG", svg, f"this is an SVG{refused}", unread)
    yield Animal("TIFF", encoded(PHOTO, "TIFF"), f"this is a TIFF{refused}", unread)
    yield Animal("GIF", encoded(plain(9, 9), "GIF"), f"this is a GIF{refused}", unread)
    yield Animal("text", b"a text " * 1000, f"this is text{refused}", unread)
    yield Animal("zeros", bytes(10**6), f"this is no image that is known here{refused}", unread)
    yield Animal(
        "only a signature", b"\x89PNG\r\n\x1a\n", "this PNG cannot be read, it ends within"
    )
    yield Animal(
        "only fill", b"\xff\xd8" + b"\xff" * 10**7, "this JPEG cannot be read, it ends within"
    )
    yield Animal("only a marker", b"\xff\xd8\xff", "this JPEG cannot be read, it ends within")


def _polyglots() -> Iterator[Animal]:
    jpeg, png = FILES["JPEG"], FILES["PNG"]
    unread = "UNSUPPORTED_MEDIA_TYPE"
    yield Animal("JPEG and ZIP", jpeg + b"PK\x03\x04" + bytes(1000))
    yield Animal(
        "JPEG with HTML in a comment", encoded(PHOTO, "JPEG", comment=b"<script>1</script>")
    )
    yield Animal("PNG and JPEG", png + jpeg)
    video = np.random.default_rng(1).bytes(2**20).replace(b"\xff\xd9", b"") + b"\xff\xda" * 200
    yield Animal("JPEG and video", jpeg + video)
    text = zlib.compress(bytes(2**20 - 1), 9)
    texts = b"".join(chunk(b"zTXt", b"k%d\0\0" % n + text) for n in range(60))
    yield Animal("PNG and 60 MiB of text", png[:33] + texts + png[33:])
    yield Animal("PDF and JPEG", b"%PDF-1.4\n" + jpeg, "this is a PDF;", unread)
    yield Animal("GIF and script", b"GIF89a=1;alert(1)//", "this is a GIF;", unread)
    yield Animal("BMP and script", b"BM=1;alert(1)//" + bytes(100), "this is no image", unread)


def bomb() -> bytes:
    """A PNG of one bit for every pixel, which Pillow would hold in four bytes for each."""
    rows = bytes((10_000 // 8 + 1) * 10_000)
    head = png_header(10_000, 10_000, depth=1, colours=0)
    return head + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def camera_pictures(kind: str) -> dict[int, bytes]:
    """The same scene as cameras store it that were held in eight ways."""
    return {
        orientation: encoded(
            np.ascontiguousarray(as_camera(SCENE, orientation)),
            kind,
            exif=exif(orientation),
            quality=95,
        )
        for orientation in range(1, 9)
    }
