from __future__ import annotations

import struct
import time
import zlib

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.vision.pictures import checked, chunk, encoded, exif, natural
from vision.decoding import decode
from vision.essentials import essentials_of

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
    assert essentials_of(checked(content)) == (CONTENT, b"")


def test_exif_is_found_before_and_behind_the_picture() -> None:
    said = exif(6).removeprefix(b"Exif\0\0")
    before = with_chunk(b"eXIf", said)
    behind = CONTENT[:-12] + chunk(b"eXIf", said) + CONTENT[-12:]

    assert essentials_of(checked(before)) == essentials_of(checked(behind)) == (CONTENT, said)
    assert pixels_of(before).shape == pixels_of(behind).shape == (61, 37, 3)


def test_what_stands_behind_the_end_is_not_looked_at() -> None:
    assert essentials_of(checked(CONTENT + chunk(b"IDAT", b"x"))) == (CONTENT, b"")


@pytest.mark.parametrize("content", [CONTENT[:-12], CONTENT[:HEAD], CONTENT[:HEAD] + b"\xff" * 9])
def test_a_file_without_its_end_is_none(content: bytes) -> None:
    with pytest.raises(ValueError, match="there is no end"):
        essentials_of(checked(content))


def segment(marker: int, said: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + (len(said) + 2).to_bytes(2) + said


START, JPEG = b"\xff\xd8", encoded(PICTURE, "JPEG")
COUNTLESS_TAGS = b"II*\0" + struct.pack("<IH", 8, 5000) + bytes(12 * 5000)
NOTES = {
    "a comment": segment(0xFE, bytes(1000)),
    "a profile": segment(0xE2, b"ICC_PROFILE\0\1\1" + bytes(1000)),
    "what editors note": segment(0xED, b"Photoshop 3.0\0" + b"8BIM\0\1\0\0\0\0\0\0" * 5000) * 50,
    "what else cameras note": segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + bytes(1000)),
    "fill": b"\xff" * 1000 + segment(0xFE, b""),
}


@pytest.mark.parametrize("note", NOTES.values(), ids=NOTES)
def test_notes_in_a_jpeg_are_left_aside(note: bytes) -> None:
    content = START + note + JPEG[2:]

    assert essentials_of(checked(content)) == (JPEG, b"")
    assert (pixels_of(content) == pixels_of(JPEG)).all()


def test_of_the_exif_of_a_jpeg_the_first_is_taken_out() -> None:
    first, second = exif(6), b"Exif\0\0" + COUNTLESS_TAGS

    found = essentials_of(checked(START + segment(0xE1, first) + segment(0xE1, second) + JPEG[2:]))

    assert found == (JPEG, first)


def test_how_the_colours_of_a_jpeg_are_stored_is_of_the_picture() -> None:
    cmyk = encoded(Image.fromarray(PICTURE).convert("CMYK"), "JPEG")

    assert b"Adobe" in cmyk
    assert essentials_of(checked(cmyk)) == (cmyk, b"")


def test_what_a_photograph_is_not_made_of_takes_no_time() -> None:
    tags = segment(0xE1, b"Exif\0\0" + COUNTLESS_TAGS) * 200
    content = START + tags + NOTES["what editors note"] + JPEG[2:]
    started = time.perf_counter()
    decode(checked(content))

    # A reader of all that takes twice as long, or more.
    assert time.perf_counter() - started < 0.2
