from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from PIL import Image

from tests.vision.pictures import as_camera, checked, encoded, exif, opened, plain
from vision.framing import Boxes
from vision.overlays import Canvas, Encoding, draw_boxes, draw_mask
from vision.palette import colour_of, mask_palette
from vision.suppression import Things

WHITE = plain(200, 120, (255, 255, 255))
LABELS = ("person", "cat", "dog")
KINDS = ("background", *LABELS)


def things(*corners: tuple[float, float, float, float]) -> Things:
    boxes: Boxes = np.array(corners, np.float32).reshape(-1, 4)
    scores = np.full(len(boxes), 0.9, np.float32)
    return Things(boxes, scores, np.arange(len(boxes)) % 3)


def test_a_box_is_drawn_where_the_thing_is() -> None:
    drawn = opened(
        draw_boxes(checked(encoded(WHITE)), things((40, 50, 120, 100)), LABELS, Canvas("PNG", 400))
    )

    assert drawn.shape == WHITE.shape
    assert tuple(drawn[75, 40]) == colour_of(0)
    assert tuple(drawn[99, 80]) == colour_of(0)
    assert tuple(drawn[75, 80]) == (255, 255, 255)
    # The label stands above it, in black on its colour.
    label = drawn[30:50, 40:120].reshape(-1, 3)
    assert (label == colour_of(0)).all(axis=1).sum() > 200
    assert (label.sum(axis=1) < 60).sum() > 20


def test_a_label_without_room_above_stands_in_the_box() -> None:
    drawn = opened(
        draw_boxes(checked(encoded(WHITE)), things((0, 0, 200, 120)), LABELS, Canvas("PNG", 400))
    )

    assert (drawn[3:12, 3:40].reshape(-1, 3).sum(axis=1) < 60).sum() > 10


@pytest.mark.parametrize("encoding", ["PNG", "JPEG"])
def test_a_large_image_is_drawn_smaller(encoding: Encoding) -> None:
    image = checked(encoded(plain(1000, 600), "JPEG"))
    canvas = Canvas(encoding, 100)

    boxes = opened(draw_boxes(image, things((0, 300, 500, 600)), LABELS, canvas))
    mask = opened(draw_mask(image, np.array([[0, 1]], np.uint8), KINDS, canvas))

    assert boxes.shape == mask.shape == (60, 100, 3)
    edge = boxes[45, 49].astype(int)
    assert np.abs(edge - colour_of(0)).max() <= (100 if encoding == "JPEG" else 0)


def test_a_label_stays_in_the_picture() -> None:
    drawn = opened(
        draw_boxes(checked(encoded(WHITE)), things((190, 60, 199, 110)), LABELS, Canvas("PNG", 400))
    )

    # All of it, not only the piece above the box.
    assert (drawn[40:60, 120:].reshape(-1, 3) == colour_of(0)).all(axis=1).sum() > 500


def test_overlays_are_upright() -> None:
    stored = Image.fromarray(as_camera(WHITE, 6))
    image = checked(encoded(stored, exif=exif(6)))

    assert opened(draw_boxes(image, things(), LABELS, Canvas("PNG", 400))).shape == WHITE.shape


def test_a_mask_colours_what_it_covers_and_nothing_else() -> None:
    mask = np.zeros((12, 20), np.uint8)
    mask[:, 10:] = 2

    drawn = opened(draw_mask(checked(encoded(WHITE)), mask, KINDS, Canvas("PNG", 400)))

    half = [round((255 + value) / 2) for value in colour_of(1)]
    assert (drawn[40:, :100] == 255).all()
    # The legend stands at the top left.
    assert (drawn[:20, :30].reshape(-1, 3) == colour_of(1)).all(axis=1).sum() > 100
    assert np.abs(drawn[:, 100:].astype(int) - half).max() <= 1


def test_a_mask_is_drawn_without_numbers_of_many_bytes_for_every_pixel() -> None:
    image = checked(encoded(plain(1000, 1000), "JPEG"))
    mask = np.ones((64, 64), np.uint8)
    tracemalloc.start()
    draw_mask(image, mask, KINDS, Canvas("JPEG", 1000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    # Pillow's own memory, of 4 bytes for each, is not counted.
    assert peak < 4 * 10**6


def test_things_at_the_edge_and_images_of_one_pixel_are_drawn() -> None:
    tiny = checked(encoded(plain(1, 1)))

    assert opened(draw_boxes(tiny, things((0, 0, 1, 1)), LABELS, Canvas("PNG", 400))).shape == (
        1, 1, 3,
    )  # fmt: skip
    assert opened(draw_mask(tiny, np.array([[1]], np.uint8), KINDS, Canvas("PNG", 400))).shape == (
        1,
        1,
        3,
    )


def test_every_class_has_a_colour() -> None:
    assert len(mask_palette()) == 768
    assert mask_palette()[:6] == [0, 0, 0, *colour_of(0)]
