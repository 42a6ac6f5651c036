from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from mlmesh.runtime.errors import InvalidInput
from tests.vision.pictures import (
    checked,
    chunk,
    encoded,
    exif,
    natural,
    png_header,
)
from vision.decoding import decode
from vision.essentials import MOST_CHUNKS, MOST_SCANS, MOST_SEGMENTS
from vision.framing import Letterbox
from vision.image_reader import frame

PICTURE = natural(61, 37)
FILES: list[tuple[str, dict[str, Any]]] = [
    ("JPEG", {}),
    ("JPEG", {"progressive": True}),
    ("PNG", {}),
    ("WEBP", {}),
    ("WEBP", {"lossless": True}),
    ("BMP", {}),
]


@pytest.mark.parametrize(("kind", "options"), FILES)
def test_a_file_that_is_cut_off_anywhere_is_refused_by_its_field(
    kind: str, options: dict[str, Any]
) -> None:
    content = encoded(PICTURE, kind, **options)

    # Of a JPEG the last two bytes say only that it ends.
    for length in range(1, len(content) - 2, max(1, len(content) // 200)):
        with pytest.raises(InvalidInput) as refused:
            decode(checked(content[:length]), Letterbox(16).scale)
        assert refused.value.field == "image"


@pytest.mark.parametrize(("kind", "options"), FILES)
def test_a_file_that_is_damaged_is_answered_or_refused_but_never_fails(
    kind: str, options: dict[str, Any]
) -> None:
    content = encoded(PICTURE, kind, exif=exif(6), **options)
    rng = np.random.default_rng(1)

    for _ in range(300):
        damaged = bytearray(content)
        for at in rng.integers(0, len(content), rng.integers(1, 5)):
            damaged[at] = rng.integers(0, 256)
        with suppress(InvalidInput):
            image = checked(bytes(damaged))
            if image.size.pixels < 10**6:
                frame(image, Letterbox(16))


def test_a_jpeg_with_a_pass_for_every_few_bytes_is_refused() -> None:
    content = encoded(PICTURE, "JPEG", progressive=True)
    last = content.rindex(b"\xff\xda")
    bomb = content[:last] + content[last:-2] * MOST_SCANS + content[-2:]

    with pytest.raises(InvalidInput, match=r"^image: this JPEG has more than 100 scans; save it"):
        decode(checked(bomb))


def test_scans_are_not_hidden_behind_countless_segments() -> None:
    content = encoded(PICTURE, "JPEG", progressive=True)
    last = content.rindex(b"\xff\xda")
    notes = b"\xff\xfe\x00\x04\xff\xd9" * MOST_SEGMENTS
    bomb = content[:last] + notes + content[last:-2] * MOST_SCANS + content[-2:]

    with pytest.raises(InvalidInput, match=r"^image: this JPEG has more than 100 scans; save it"):
        decode(checked(bomb))


def test_a_png_of_countless_chunks_is_refused() -> None:
    content = encoded(PICTURE)
    note = chunk(b"tEXt", b"k\0v")
    bomb = content[:33] + note * MOST_CHUNKS + content[33:]

    with pytest.raises(InvalidInput, match=r"^image: this PNG has more than 20000 chunks; save"):
        decode(checked(bomb))


def test_a_file_whose_decoder_finds_another_size_than_its_header_is_refused() -> None:
    # An extended header that claims more than its picture has.
    content = bytearray(encoded(PICTURE, "WEBP", exif=exif(1)))
    content[24] = 200

    with pytest.raises(InvalidInput, match=r"^image: this WebP ends too early or is damaged"):
        decode(checked(bytes(content)))


def test_the_limits_hold_for_the_header() -> None:
    with pytest.raises(
        InvalidInput, match=r"^image: 70000 x 1, the limit of a side is 65535; send"
    ):
        checked(png_header(70_000, 1) + bytes(100))
    with pytest.raises(InvalidInput, match=r"is 4294836225 pixels, the limit is 50000000; send"):
        checked(png_header(65_535, 65_535) + bytes(100))
    with pytest.raises(InvalidInput, match=r"^image: 16777217 bytes, the limit is 16777216; send"):
        checked(bytes(2**24 + 1))
