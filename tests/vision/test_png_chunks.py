from __future__ import annotations

import zlib

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.vision.pictures import checked, chunk, encoded, exif, natural
from vision.decoding import decode
from vision.png_chunks import picture_and_exif

PICTURE = natural(61, 37)
CONTENT = encoded(PICTURE)
HEAD = 33
"""Bytes up to the end of the first chunk."""


def with_chunk(name: bytes, said: bytes) -> bytes:
    return CONTENT[:HEAD] + chunk(name, said) + CONTENT[HEAD:]


def pixels_of(content: bytes) -> NDArray[np.uint8]:
    return np.asarray(decode(checked(content)).pixels)


ASIDE = {
    "text that unpacks to 64 MiB": with_chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(2**26))),
    "a profile that unpacks to 64 MiB": with_chunk(b"iCCP", b"k\0\0" + zlib.compress(bytes(2**26))),
    "a text by the name of transparency": with_chunk(b"tEXt", b"transparency\0abc"),
    "a text by the name of exif": with_chunk(b"tEXt", b"exif\0abc"),
    "a chunk of its own": with_chunk(b"abCd", bytes(1000)),
    "a damaged note": CONTENT[:HEAD] + b"\0\0\0\1tEXtk\0\0\0\0" + CONTENT[HEAD:],
}


@pytest.mark.parametrize("content", ASIDE.values(), ids=ASIDE)
def test_what_is_not_the_picture_is_left_aside(content: bytes) -> None:
    assert (pixels_of(content) == PICTURE).all()
    assert picture_and_exif(checked(content)) == (CONTENT, b"")


def test_exif_is_found_before_and_behind_the_picture() -> None:
    said = exif(6).removeprefix(b"Exif\0\0")
    before = with_chunk(b"eXIf", said)
    behind = CONTENT[:-12] + chunk(b"eXIf", said) + CONTENT[-12:]

    assert picture_and_exif(checked(before)) == picture_and_exif(checked(behind)) == (CONTENT, said)
    assert pixels_of(before).shape == pixels_of(behind).shape == (61, 37, 3)


def test_what_stands_behind_the_end_is_not_looked_at() -> None:
    assert picture_and_exif(checked(CONTENT + chunk(b"IDAT", b"x"))) == (CONTENT, b"")


@pytest.mark.parametrize("content", [CONTENT[:-12], CONTENT[:HEAD], CONTENT[:HEAD] + b"\xff" * 9])
def test_a_file_without_its_end_is_none(content: bytes) -> None:
    with pytest.raises(ValueError, match="there is no end"):
        picture_and_exif(checked(content))
