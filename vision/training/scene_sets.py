"""The three sets of photographs that the detector and the segmenter learn from.

Their splits are fixed here, by the pictures' numbers. Shots that follow each other in Penn-Fudan
show the same street, so its parts are stretches of numbers.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from vision.training.archives import files_of
from vision.training.scenes import BACKGROUND, LABELS, UNKNOWN, Scene

FOLDER = Path("detection_segmentation")
TRAIN, CHOICE = "train", "choice"
PEDESTRIANS, PETS, OTHER_PETS, EVERYDAY = "pf_test", "pet_test", "pet_other_test", "coco_val"
TESTS = (PEDESTRIANS, PETS, OTHER_PETS, EVERYDAY)
PERSON = LABELS.index("person")
PET, ELSEWHERE = 1, 2
"""Of a trimap; 3 is the border between them, of which nobody says whose it is."""


def read_scenes(data: Path) -> list[Scene]:
    """All scenes of `data`, in a fixed order."""
    folder = data / FOLDER
    return [
        *_pedestrians(files_of(folder / "pennfudan.tar")),
        *_pets(files_of(folder / "oxford_pets_sample.tar")),
        *_everyday(files_of(folder / "coco128.tar")),
    ]


def _pedestrians(files: dict[str, bytes]) -> Iterator[Scene]:
    """Penn-Fudan (Wang et al. 2007): people in streets, each with a mask of its own."""
    for entry in json.loads(files["annotations.json"]):
        name = Path(entry["file"]).stem
        number = int("".join(filter(str.isdigit, name)))
        last, choice = (52, 47) if name.startswith("Fudan") else (68, 63)
        part = PEDESTRIANS if number > last else CHOICE if number >= choice else TRAIN
        people = np.array(_open(files[entry["mask"]]))
        yield Scene(
            name=name,
            source="pennfudan",
            part=part,
            content=files[entry["file"]],
            picture=_open(files[entry["file"]]).convert("RGB"),
            mask=Image.fromarray((people > 0).astype(np.uint8) * (PERSON + 1)),
            boxes=np.array(entry["boxes"], np.float32).reshape(-1, 4),
            classes=np.full(len(entry["boxes"]), PERSON, np.int64),
            cutouts=tuple(
                (people == one).astype(np.uint8) * 255 for one in range(1, people.max() + 1)
            ),
        )


def _pets(files: dict[str, bytes]) -> Iterator[Scene]:
    """A sample of Oxford-IIIT Pet (Parkhi et al. 2012): one cat or dog on each picture."""
    for place, entry in enumerate(json.loads(files["annotations.json"])):
        kind = LABELS.index(entry["label"])
        trimap = np.array(_open(files[entry["trimap"]]))
        mask = np.where(trimap == PET, kind + 1, UNKNOWN)
        mask = np.where(trimap == ELSEWHERE, BACKGROUND, mask).astype(np.uint8)
        inside = trimap != ELSEWHERE if (trimap != ELSEWHERE).any() else trimap == PET
        rows, columns = np.where(inside)
        box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        other = entry["source"].startswith("simon")
        if other:
            part = OTHER_PETS if place % 2 == 0 else TRAIN
        else:
            part = PETS if place % 5 == 0 else CHOICE if place % 25 == 3 else TRAIN
        yield Scene(
            name=Path(entry["file"]).stem,
            source="pets",
            part=part,
            content=files[entry["file"]],
            picture=_open(files[entry["file"]]).convert("RGB"),
            mask=Image.fromarray(mask),
            boxes=np.array([box], np.float32),
            classes=np.array([kind], np.int64),
            cutouts=(inside.astype(np.uint8) * 255,),
        )


def _everyday(files: dict[str, bytes]) -> Iterator[Scene]:
    """128 + 128 pictures of COCO (Lin et al. 2014), with boxes."""
    for entry in json.loads(files["annotations.json"])["images"]:
        pairs = zip(entry["boxes"], entry["labels"], strict=True)
        known = [(box, LABELS.index(label)) for box, label in pairs if label in LABELS]
        picture = _open(files[entry["file"]]).convert("RGB")
        yield Scene(
            name=Path(entry["file"]).stem,
            source="coco128",
            part=EVERYDAY if entry["split"] == "val2017" else TRAIN,
            content=files[entry["file"]],
            picture=picture,
            # A picture without any of these things is background all over.
            mask=None if known else Image.new("L", picture.size, BACKGROUND),
            boxes=np.array([box for box, _ in known], np.float32).reshape(-1, 4),
            classes=np.array([kind for _, kind in known], np.int64),
        )


def _open(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))
