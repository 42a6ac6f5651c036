from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.vision.pictures import checked, encoded, plain
from vision.detection import Detections, detections
from vision.framing import Letterbox
from vision.image_model import Seen, Timing
from vision.image_reader import frame
from vision.suppression import Thresholds

SIDE = 64
WIDE = frame(checked(encoded(plain(128, 32))), Letterbox(SIDE))
"""It covers the upper quarter of the square; the rest is grey."""
THING = (4, 4, 12, 12)
IN_ORIGINAL = [8, 8, 24, 24]


def found(boxes: object, scores: object, **thresholds: float) -> Detections:
    outputs: dict[str, NDArray[np.float32]] = {
        "boxes": np.array(boxes, np.float32).reshape(-1, 4),
        "scores": np.array(scores, np.float32).reshape(-1, 1),
    }
    return detections(Seen(WIDE, outputs, Timing()), Thresholds(**thresholds))  # type: ignore[arg-type]


def test_a_box_in_the_grey_takes_the_place_of_none_in_the_picture() -> None:
    in_the_grey = (4, 30, 12, 60)

    things = found([in_the_grey, THING], [0.9, 0.6], most=1).things

    assert things.boxes.tolist() == [IN_ORIGINAL]
    assert things.scores.tolist() == pytest.approx([0.6])


@pytest.mark.parametrize(
    "box",
    [
        (np.nan, 4, 12, 12),
        (4, 4, np.inf, 12),
        (-np.inf, -np.inf, np.inf, np.inf),
        (12, 12, 4, 4),
        (4, 4, 4, 12),
    ],
)
def test_a_box_that_is_none_is_left_out(box: tuple[float, float, float, float]) -> None:
    assert found([box, THING], [0.9, 0.6]).things.boxes.tolist() == [IN_ORIGINAL]


def test_a_score_that_is_no_number_names_nothing() -> None:
    assert found([THING], [np.nan], min_confidence=0.0).things.boxes.tolist() == []


def test_nothing_at_all_may_be_found() -> None:
    nothing = found([], [])

    assert nothing.things.boxes.shape == (0, 4)
    assert (nothing.width, nothing.height) == (128, 32)
