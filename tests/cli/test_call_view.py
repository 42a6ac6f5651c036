from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from mlmesh.cli.call_highlight import highlighted, marked_parts
from mlmesh.cli.call_view import show_answer
from tests.vision.pictures import RED, encoded, plain

ENTITIES = [
    {"type": "ORG", "text": "Apple Inc.", "start": 0, "end": 10, "confidence": 0.9},
    {"type": "LOC", "text": "Cupertino", "start": 14, "end": 23, "confidence": 0.876543},
]
TEXT = "Apple Inc. in Cupertino."


def shown(answer: dict[str, Any], request: dict[str, Any], *, colours: bool = False) -> str:
    file = io.StringIO()
    console = Console(
        file=file, width=100, force_terminal=colours, color_system="truecolor" if colours else None
    )
    show_answer(console, answer, request)
    return file.getvalue()


def test_names_are_coloured_in_their_text() -> None:
    printed = shown({"entities": ENTITIES}, {"text": TEXT}, colours=True)

    first = printed.splitlines()[0]
    assert "\x1b[1;36mApple Inc.\x1b[0m" in first
    assert "\x1b[1;32mCupertino\x1b[0m" in first
    assert "0.8765" in printed


def test_without_colours_the_kinds_are_still_said() -> None:
    printed = shown({"entities": ENTITIES}, {"text": TEXT})

    assert printed.splitlines()[0] == "Apple Inc. ORG in Cupertino LOC."


def test_places_count_code_points() -> None:
    text = "\U0001f600 Paris"

    marked = highlighted(text, marked_parts([{"type": "LOC", "start": 2, "end": 7}]))

    assert marked.plain == "\U0001f600 Paris LOC"


def test_a_batch_is_shown_item_by_item() -> None:
    answer = {
        "results": [
            {"status": {"code": 0}, "entities": ENTITIES},
            {"status": {"code": 3, "message": "texts[1]: is empty"}},
        ]
    }

    printed = shown(answer, {"texts": [TEXT, ""]})

    assert "[0] Apple Inc. in Cupertino." in printed
    assert "Apple Inc. ORG in Cupertino LOC." in printed
    assert "texts[1]: is empty" in printed


def test_shares_are_bars_and_long_lists_are_short() -> None:
    answer = {
        "label": "positive",
        "probabilities": {"negative": 0.25, "positive": 0.75},
        "embedding": [0.5] * 384,
        "model": "sentiment",
        "model_version": "v1.0",
        "inference_time_ms": 1.23456,
        "request_id": "order-7",
    }

    printed = shown(answer, {})

    assert "0.7500  " + "\u2588" * 18 in " ".join(printed.split(" "))
    assert "... 384 in all" in printed
    assert printed.splitlines()[-1] == "sentiment v1.0, 1.23 ms, request order-7"


DETECTIONS = [
    {
        "label": "cat",
        "confidence": 0.98765,
        "box": {"x_min": 1.5, "y_min": 2.0, "x_max": 300.25, "y_max": 40.0},
    },
    {
        "label": "dog",
        "confidence": 0.5,
        "box": {"x_min": 0.0, "y_min": 0.0, "x_max": 7.0, "y_max": 8.0},
    },
]


def test_things_with_boxes_are_a_table() -> None:
    printed = shown({"detections": DETECTIONS, "width": 640, "decode_time_ms": 3.21}, {})

    lines = [line.split() for line in printed.splitlines()]
    assert lines[0] == ["detections", "label", "confidence", "x_min", "y_min", "x_max", "y_max"]
    assert lines[1] == ["cat", "0.9877", "1.5", "2", "300.2", "40"]
    assert lines[-1] == ["decoded", "in", "3.21", "ms"]


def test_bytes_are_said_and_pictures_shown() -> None:
    overlay = encoded(plain(8, 4, RED))
    answer = {"overlay": overlay, "mask": b"", "embedding_bytes": b"x" * 2000}

    printed = shown(answer, {})
    coloured = shown(answer, {}, colours=True)

    assert f"PNG, 8 x 4, {len(overlay)} bytes" in printed
    assert "2,000 bytes" in printed
    assert "mask" not in printed
    assert "\u2580" not in printed
    assert coloured.count("\u2580") == 8 * 2


def test_a_batch_of_images_is_shown_item_by_item() -> None:
    image = encoded(plain(8, 4))
    answer = {"results": [{"status": {"code": 0}, "detections": DETECTIONS, "overlay": image}]}

    printed = shown(answer, {"images": [image]}, colours=True)

    assert f"[0] \x1b[0mPNG, 8 x 4, {len(image)} bytes" in printed
    assert "0.9877" in printed
    assert "\u2580" in printed


def test_what_commands_a_terminal_is_not_printed() -> None:
    printed = shown({"summary": "a\x1b[31mred\u202e"}, {})

    assert "\x1b" not in printed
    assert "\u202e" not in printed
