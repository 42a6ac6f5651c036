"""Drawn pictures with what torch answers to them with the stored weights, for anybody who wants to
check a runtime.

They are an archive of numpy's beside the models rather than numbers in the manifest, where pictures
would take megabytes; versions hold no such archives, since servers refuse them. Photographs of the
sets may not be passed on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from vision.training.graph import Answers, Pictures

PICTURE = "image"
SIDE = 224
SKY, GRASS, SKIN, COAT, FUR, DARK = (
    (150, 190, 230),
    (90, 140, 70),
    (220, 180, 150),
    (160, 40, 50),
    (190, 130, 70),
    (40, 35, 40),
)


def answers_file(models: Path, name: str, version: str) -> Path:
    """Where the answers of a version are: `samples/` lies beside the folder of the models."""
    return models.parent / "samples" / f"{name}-{version}.npz"


def drawn_pictures(side: int) -> Pictures:
    """uint8 [3, side, side, 3]: something like a person, something like a cat, and only noise."""
    noise = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    drawn = [np.asarray(one.resize((side, side), Image.Resampling.BOX)) for one in _drawings()]
    return np.stack([*drawn, noise])


def write_answers(path: Path, pictures: Pictures, answers: Answers) -> None:
    arrays: dict[str, NDArray[Any]] = {PICTURE: pictures, **answers}
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def read_answers(path: Path) -> tuple[Pictures, dict[str, NDArray[Any]]]:
    """The pictures, and by output what torch answered."""
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    return arrays.pop(PICTURE), arrays


def _drawings() -> list[Image.Image]:
    person = Image.new("RGB", (SIDE, SIDE), SKY)
    pen = ImageDraw.Draw(person)
    pen.rectangle((0, 160, SIDE, SIDE), fill=GRASS)
    pen.ellipse((98, 30, 126, 64), fill=SKIN)
    pen.rectangle((88, 64, 136, 130), fill=COAT)
    pen.rectangle((92, 130, 110, 205), fill=DARK)
    pen.rectangle((114, 130, 132, 205), fill=DARK)
    cat = Image.new("RGB", (SIDE, SIDE), GRASS)
    pen = ImageDraw.Draw(cat)
    pen.ellipse((60, 100, 190, 190), fill=FUR)
    pen.ellipse((30, 60, 100, 130), fill=FUR)
    pen.polygon((38, 80, 42, 40, 62, 66), fill=FUR)
    pen.polygon((70, 66, 90, 40, 94, 80), fill=FUR)
    pen.ellipse((46, 82, 56, 92), fill=DARK)
    pen.ellipse((74, 82, 84, 92), fill=DARK)
    return [person, cat]
