"""What the classifier is tested on: CIFAR-10's own test, and photographs that it never saw."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from vision.training.archives import files_of
from vision.training.cifar import LABELS, read_files
from vision.training.scene_sets import FOLDER

CIFAR, PETS, CUT_PETS, EVERYDAY = "cifar", "pets", "cut_pets", "coco_crops"
NAMES = {
    "airplane": "airplane",
    "bird": "bird",
    "boat": "ship",
    "car": "automobile",
    "cat": "cat",
    "dog": "dog",
    "horse": "horse",
    "truck": "truck",
}
"""What COCO calls the classes of CIFAR-10; it has no deer and no frogs."""
LEAST_SIDE = 32
"""Pixels of the longer side of a thing that is worth cutting out."""


@dataclass(frozen=True, slots=True)
class Photograph:
    content: bytes
    """A file: JPEG, or PNG where it was cut out of a photograph."""
    kind: int
    """Position in LABELS."""


def read_classifier_tests(data: Path) -> Mapping[str, list[Photograph]]:
    """By name: `cifar`, the official test; `pets`, all photographs of the pets sample as they are;
    `cut_pets`, the square around the pet of each; `coco_crops`, the squares around all things of
    the classes in COCO128."""
    files, classes = read_files(data, "test")
    pets = files_of(data / FOLDER / "oxford_pets_sample.tar")
    entries = json.loads(pets["annotations.json"])
    return {
        CIFAR: [Photograph(one, int(kind)) for one, kind in zip(files, classes, strict=True)],
        PETS: [Photograph(pets[one["file"]], LABELS.index(one["label"])) for one in entries],
        CUT_PETS: [
            Photograph(cut_out(pets[one["file"]], one["body_box"]), LABELS.index(one["label"]))
            for one in entries
        ],
        EVERYDAY: list(_everyday(files_of(data / FOLDER / "coco128.tar"))),
    }


def cut_out(content: bytes, box: list[float]) -> bytes:
    """PNG file of the square around a box (x0 y0 x1 y1), moved or cut to stay in the picture."""
    with Image.open(io.BytesIO(content)) as opened:
        picture = opened.convert("RGB")
    side = min(max(box[2] - box[0], box[3] - box[1]), *picture.size)
    left = min(max(0.0, (box[0] + box[2] - side) / 2), picture.width - side)
    top = min(max(0.0, (box[1] + box[3] - side) / 2), picture.height - side)
    square = tuple(round(edge) for edge in (left, top, left + side, top + side))
    file = io.BytesIO()
    picture.crop((square[0], square[1], square[2], square[3])).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _everyday(files: Mapping[str, bytes]) -> Iterator[Photograph]:
    for entry in json.loads(files["annotations.json"])["images"]:
        for box, label in zip(entry["boxes"], entry["labels"], strict=True):
            if label in NAMES and max(box[2] - box[0], box[3] - box[1]) >= LEAST_SIDE:
                content = cut_out(files[entry["file"]], box)
                yield Photograph(content, LABELS.index(NAMES[label]))
