from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image

from tests.vision.pictures import RED, natural, plain, with_box
from vision.decoding import Picture
from vision.framing import GREY, Boxes, CentreSquare, Letterbox, Pixels, Placement

SIDE = 64


def picture(pixels: Pixels) -> Picture:
    height, width = pixels.shape[:2]
    return Picture(Image.fromarray(pixels), (0, 0, width, height), width, height)


def bright_box(framed: Pixels) -> Boxes:
    """Around all pixels of the square that are more red than not."""
    rows, columns = np.nonzero(framed[..., 0] > GREY + 14)
    return np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], np.float32)


def found_in(pixels: Pixels) -> list[float]:
    """The box around the red part of a picture, found in the square and brought back."""
    original = picture(pixels)
    framing = Letterbox(SIDE)
    [box] = framing.place(original).boxes_in_original(bright_box(framing.frame(original)))
    return [float(edge) for edge in box]


@st.composite
def scenes(draw: st.DrawFn) -> tuple[Pixels, tuple[int, int, int, int]]:
    """A picture of any shape with one red box that is large enough to be seen in the square."""
    width, height = draw(st.integers(4, 500)), draw(st.integers(4, 500))
    seen = -(-2 * max(width, height) // SIDE)
    across, down = min(width, max(4, seen)), min(height, max(4, seen))
    left = draw(st.integers(0, width - across))
    top = draw(st.integers(0, height - down))
    right = draw(st.integers(left + across, width))
    bottom = draw(st.integers(top + down, height))
    box = (left, top, right, bottom)
    return with_box(plain(width, height), box, RED), box


def pixel_of(pixels: Pixels) -> float:
    """How many pixels of a picture one of the square is."""
    longer: int = max(pixels.shape[:2])
    return max(1.0, longer / SIDE)


@settings(deadline=None, max_examples=200)
@given(scenes())
def test_boxes_come_back_in_the_original_whatever_its_shape(
    scene: tuple[Pixels, tuple[int, int, int, int]],
) -> None:
    pixels, box = scene

    assert found_in(pixels) == pytest.approx(box, abs=1.01 * pixel_of(pixels))


@settings(deadline=None, max_examples=100)
@given(scenes(), st.integers(0, 300), st.integers(0, 300))
def test_boxes_stay_where_they_are_when_an_image_is_padded(
    scene: tuple[Pixels, tuple[int, int, int, int]], right: int, bottom: int
) -> None:
    pixels, box = scene
    padded = np.pad(pixels, ((0, bottom), (0, right), (0, 0)))
    if min(box[2] - box[0], box[3] - box[1]) < 2 * pixel_of(padded):
        return

    assert found_in(padded) == pytest.approx(box, abs=1.01 * pixel_of(padded))


@settings(deadline=None, max_examples=100)
@given(scenes(), st.integers(1, 4), st.integers(1, 4))
def test_boxes_grow_with_an_image(
    scene: tuple[Pixels, tuple[int, int, int, int]], across: int, down: int
) -> None:
    pixels, box = scene
    larger = pixels.repeat(down, axis=0).repeat(across, axis=1)
    expected = [box[0] * across, box[1] * down, box[2] * across, box[3] * down]
    if min(expected[2] - expected[0], expected[3] - expected[1]) < 2 * pixel_of(larger):
        return

    assert found_in(larger) == pytest.approx(expected, abs=1.01 * pixel_of(larger))


@settings(deadline=None, max_examples=100)
@given(scenes())
def test_masks_come_back_in_the_original_whatever_its_shape(
    scene: tuple[Pixels, tuple[int, int, int, int]],
) -> None:
    pixels, (left, top, right, bottom) = scene
    original = picture(pixels)
    framing = Letterbox(SIDE)
    seen = (framing.frame(original)[..., 0] > GREY + 14).astype(np.uint8)

    mask = framing.place(original).mask_in_original(seen)

    assert mask.shape == pixels.shape[:2]
    margin = int(np.ceil(1.01 * pixel_of(pixels)))
    inner = mask[top + margin : bottom - margin, left + margin : right - margin]
    assert inner.all()
    outer = mask.copy()
    outer[max(0, top - margin) : bottom + margin, max(0, left - margin) : right + margin] = 0
    assert not outer.any()


@pytest.mark.parametrize(
    ("width", "height", "covered"),
    [
        (64, 64, (64, 64)),
        (640, 480, (64, 48)),
        (1, 1, (64, 64)),
        (1, 65_535, (1, 64)),
        (65_535, 1, (64, 1)),
        (100, 3, (64, 2)),
        (32, 16, (64, 32)),
    ],
)
def test_a_letterbox_holds_the_whole_picture_at_its_top_left(
    width: int, height: int, covered: tuple[int, int]
) -> None:
    original = picture(plain(width, height, RED))

    framed = Letterbox(SIDE).frame(original)
    place = Letterbox(SIDE).place(original)

    assert (place.covered_width, place.covered_height) == covered
    assert framed.shape == (SIDE, SIDE, 3)
    assert (framed[: covered[1], : covered[0]] == RED).all()
    assert (framed[covered[1] :] == GREY).all()
    assert (framed[:, covered[0] :] == GREY).all()


def test_a_picture_of_the_square_s_size_is_not_changed() -> None:
    pixels = natural(SIDE, SIDE)

    assert np.array_equal(Letterbox(SIDE).frame(picture(pixels)), pixels)
    assert np.array_equal(CentreSquare(SIDE).frame(picture(pixels)), pixels)


def test_a_smaller_picture_is_nearly_the_mean_over_each_area() -> None:
    pixels = natural(4 * SIDE, 4 * SIDE)
    means = pixels.reshape(SIDE, 4, SIDE, 4, 3).mean(axis=(1, 3))

    framed = Letterbox(SIDE).frame(picture(pixels))

    difference = np.abs(framed - means)
    # On noise; the window reaches a little into the neighbouring areas.
    assert difference.mean() < 2.5
    assert np.quantile(difference, 0.99) <= 10


@pytest.mark.parametrize(("width", "height"), [(300, 100), (100, 300), (101, 300), (40, 900)])
def test_the_centre_is_the_largest_square_in_the_middle(width: int, height: int) -> None:
    short = min(width, height)
    left, top = (width - short) // 2, (height - short) // 2
    box = (left, top, left + short, top + short)
    pixels = with_box(plain(width, height), box, RED)

    framed = CentreSquare(32).frame(picture(pixels))

    # Where the middle lies between two pixels, both take part.
    assert framed[1:-1, 1:-1, 0].min() == 255
    assert framed[..., 0].min() >= 120


def test_boxes_are_cut_at_the_edges_of_the_original() -> None:
    place = Placement(width=640, height=480, covered_width=64, covered_height=48)

    [box] = place.boxes_in_original(np.array([[-5, 10, 80, 60]], np.float32))

    assert box.tolist() == [0, 100, 640, 480]


def test_masks_take_the_nearest_pixel() -> None:
    place = Placement(width=4, height=1, covered_width=2, covered_height=1)
    smaller = Placement(width=2, height=1, covered_width=4, covered_height=1)

    assert place.mask_in_original(np.array([[1, 2]], np.uint8)).tolist() == [[1, 1, 2, 2]]
    assert smaller.mask_in_original(np.array([[1, 2, 3, 4]], np.uint8)).tolist() == [[2, 4]]
