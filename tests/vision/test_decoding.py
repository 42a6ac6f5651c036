from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.vision.pictures import (
    BLUE,
    GREEN,
    RED,
    as_camera,
    checked,
    chunk,
    encoded,
    exif,
    natural,
    plain,
    png_header,
    with_box,
)
from vision.decoding import decode
from vision.framing import CentreSquare, Letterbox, Pixels
from vision.image_reader import frame

PICTURE = natural(61, 37)
REST = b"\0\0\0\0IEND\xaeB`\x82"


def pixels_of(content: bytes) -> Pixels:
    return np.asarray(decode(checked(content)).pixels)


@pytest.mark.parametrize(
    ("kind", "options"), [("PNG", {}), ("BMP", {}), ("WEBP", {"lossless": True})]
)
def test_files_without_loss_give_the_pixels_that_were_put_in(
    kind: str, options: dict[str, Any]
) -> None:
    assert np.array_equal(pixels_of(encoded(PICTURE, kind, **options)), PICTURE)


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"subsampling": 0}, {"quality": 30}, {"keep_rgb": True}]
)
def test_a_jpeg_gives_the_pixels_that_any_decoder_gives(options: dict[str, Any]) -> None:
    content = encoded(PICTURE, "JPEG", **options)

    reference = np.asarray(Image.open(BytesIO(content)).convert("RGB"))
    assert np.array_equal(pixels_of(content), reference)


def grey(pixels: Pixels) -> Pixels:
    return np.asarray(Image.fromarray(pixels).convert("L").convert("RGB"))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "JPEG"])
def test_greyscale_becomes_three_equal_colours(kind: str) -> None:
    found = pixels_of(encoded(Image.fromarray(PICTURE).convert("L"), kind, quality=100))

    assert np.array_equal(found[..., 0], found[..., 2])
    # JPEG rounds once more.
    assert np.abs(found.astype(int) - grey(PICTURE)).max() <= (2 if kind == "JPEG" else 0)


@pytest.mark.parametrize("kind", ["PNG", "BMP"])
def test_black_and_white_is_0_and_255(kind: str) -> None:
    bits = Image.fromarray(PICTURE).convert("1")

    assert np.array_equal(pixels_of(encoded(bits, kind)), np.asarray(bits.convert("RGB")))


@pytest.mark.parametrize("kind", ["PNG", "BMP"])
@pytest.mark.parametrize("colours", [2, 16, 200])
def test_palettes_are_looked_up(kind: str, colours: int) -> None:
    image = Image.fromarray(PICTURE).quantize(colours)

    assert np.array_equal(pixels_of(encoded(image, kind)), np.asarray(image.convert("RGB")))


def test_sixteen_bits_keep_the_upper_eight() -> None:
    deep = (np.arange(37 * 61, dtype=np.uint16) * 29).reshape(37, 61)
    content = encoded(Image.fromarray(deep))

    assert np.array_equal(pixels_of(content)[..., 1], deep >> 8)


def test_sixteen_bits_of_every_colour_keep_the_upper_eight() -> None:
    deep = np.random.default_rng(0).integers(0, 2**16, (5, 7, 3)).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in deep)
    content = png_header(7, 5, depth=16) + chunk(b"IDAT", zlib.compress(rows)) + REST

    assert np.array_equal(pixels_of(content), (deep >> 8).astype(np.uint8))


def test_what_is_transparent_shows_white() -> None:
    alpha = np.array([[0, 128, 255]], np.uint8)
    image = Image.fromarray(np.dstack([plain(3, 1, RED), alpha]))

    expected = [[255, 255, 255], [255, 127, 127], [255, 0, 0]]
    for kind, options in (("PNG", {}), ("WEBP", {"lossless": True, "exact": True})):
        found = pixels_of(encoded(image, kind, **options))[0]
        assert np.abs(found.astype(int) - expected).max() <= 1


def test_a_colour_that_is_declared_transparent_shows_white() -> None:
    image = Image.fromarray(with_box(plain(4, 4, RED), (0, 0, 2, 4), BLUE))
    palette = image.quantize(2)
    blue = palette.getpixel((0, 0))

    for content in (encoded(image, transparency=BLUE), encoded(palette, transparency=blue)):
        assert pixels_of(content)[0].tolist() == [[255, 255, 255]] * 2 + [list(RED)] * 2


def test_grey_with_alpha_is_read() -> None:
    image = Image.fromarray(np.dstack([np.full((2, 2), 40, np.uint8)] * 2), "LA")

    assert set(pixels_of(encoded(image)).ravel().tolist()) == {221}


def test_cmyk_is_read() -> None:
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))

    found = pixels_of(encoded(image, "JPEG", quality=100))
    assert np.abs(found.astype(int) - RED).max() <= 2


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_gives_the_same_upright_picture(kind: str, orientation: int) -> None:
    stored = Image.fromarray(as_camera(PICTURE, orientation))
    options = {"lossless": True} if kind == "WEBP" else {"quality": 100, "subsampling": 0}
    content = encoded(stored, kind, exif=exif(orientation), **options)

    picture = decode(checked(content))

    assert (picture.width, picture.height) == (61, 37)
    difference = np.abs(np.asarray(picture.pixels).astype(int) - PICTURE)
    assert difference.max() <= (8 if kind == "JPEG" else 0)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("framing", [Letterbox(11), CentreSquare(9)])
def test_every_orientation_of_a_jpeg_that_is_decoded_smaller_looks_alike(
    framing: Letterbox | CentreSquare, orientation: int
) -> None:
    # Neither side is a multiple of eight, so that the smaller picture ends within a pixel. Where it
    # ends has to turn with it, or the gradient is moved.
    across, down = np.meshgrid(np.linspace(0, 255, 201), np.linspace(255, 0, 145))
    upright = np.dstack([across, down, (across + down) / 2]).astype(np.uint8)
    stored = Image.fromarray(as_camera(upright, orientation))
    content = encoded(stored, "JPEG", exif=exif(orientation), quality=95)

    found = frame(checked(content), framing)
    reference = frame(checked(encoded(upright)), framing)

    assert found.placement == reference.placement
    difference = np.abs(found.pixels.astype(int) - reference.pixels)
    assert difference.mean() < 0.7


EXIF_WRONG = [
    b"Exif\0\0",
    b"Exif\0\0II*\0" + struct.pack("<I", 2**31),
    b"Exif\0\0II*\0" + struct.pack("<IH", 8, 65535),
    b"Exif\0\0XX" + exif(6)[8:],
    exif(9),
    exif(0),
    exif(6).replace(struct.pack("<HH", 0x0112, 3), struct.pack("<HH", 0x0112, 2)),
]


@pytest.mark.parametrize("said", EXIF_WRONG)
def test_an_orientation_that_cannot_be_understood_leaves_the_picture_as_it_is(said: bytes) -> None:
    assert np.array_equal(pixels_of(encoded(PICTURE, exif=said)), PICTURE)


def test_orientation_may_be_written_big_endian_and_as_a_long() -> None:
    entry = struct.pack(">HHII", 0x0112, 4, 1, 3)
    said = b"MM\0*" + struct.pack(">IH", 8, 1) + entry + bytes(4)

    assert np.array_equal(pixels_of(encoded(PICTURE[::-1, ::-1], exif=said)), PICTURE)


SCALES = [(800, 600, 192), (1600, 1200, 192), (500, 375, 192), (333, 1000, 64), (640, 480, 32)]


@pytest.mark.parametrize(("width", "height", "side"), SCALES)
@pytest.mark.parametrize("kind", [Letterbox, CentreSquare])
def test_a_jpeg_that_is_decoded_smaller_is_close_to_one_that_is_decoded_whole(
    kind: type[Letterbox | CentreSquare], width: int, height: int, side: int
) -> None:
    content = encoded(natural(width, height), "JPEG", quality=85)
    whole = Image.open(BytesIO(content)).convert("RGB")

    found = frame(checked(content), kind(side)).pixels
    reference = frame(checked(encoded(whole)), kind(side)).pixels

    difference = np.abs(found.astype(int) - reference)
    assert difference.mean() < 2
    assert np.quantile(difference, 0.99) <= 8


def test_a_large_jpeg_is_decoded_no_larger_than_is_needed() -> None:
    content = encoded(natural(801, 600), "JPEG")

    picture = decode(checked(content), Letterbox(50).scale)

    assert picture.pixels.size == (101, 75)
    assert picture.region == (0, 0, 801 / 8, 75)
    assert (picture.width, picture.height) == (801, 600)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_of_an_animated_file_the_first_picture_is_read(kind: str) -> None:
    first, *others = (Image.fromarray(plain(20, 10, colour)) for colour in (RED, GREEN, BLUE))
    options = {"lossless": True} if kind == "WEBP" else {}
    content = encoded(first, kind, save_all=True, append_images=others, duration=50, **options)

    assert np.array_equal(pixels_of(content), plain(20, 10, RED))
