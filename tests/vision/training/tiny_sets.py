"""Made-up sets in the formats of the real ones: coloured shapes, a few of each."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from rich.progress import Progress

from vision.training import classifier_fitting, classifier_runs, scene_fitting
from vision.training.cifar import FOLDER as CIFAR_FOLDER, LABELS
from vision.training.classifier_pictures import Changes
from vision.training.scene_sets import FOLDER
from vision.training.start import Start

EACH = 12
"""Pictures of each class of CIFAR-10 in the training part."""
FUDAN = (1, 2, 47, 53)
"""Numbers of pictures: two to learn from, one to choose by, one to test."""
PETS = 26
OTHER_PETS = 4
QUICK = classifier_fitting.Schedule(
    epochs=2,
    rate=11.5,
    decay=0.0153,
    changes=Changes(mixed=0.5),
    batch=20,
    whitening_epochs=1,
    save_every=2,
)
RUNS = classifier_runs.Runs(QUICK, QUICK, replace(QUICK, whitening_epochs=0))
BRIEF = scene_fitting.Schedule(steps=3, batch=2, rise=1, save_every=1)


def tiny_start(data: Path, checkpoints: Path) -> Start:
    return Start(data, Progress(disable=True), checkpoints, RUNS, BRIEF, held_out=20)


def write_sets(data: Path) -> None:
    for part, each in (("train", EACH), ("test", 3)):
        write_cifar(data, part, each)
    folder = data / FOLDER
    folder.mkdir(parents=True)
    _write_pedestrians(folder / "pennfudan.tar")
    _write_pets(folder / "oxford_pets_sample.tar")
    _write_everyday(folder / "coco128.tar")


def write_cifar(data: Path, part: str, each: int) -> None:
    """One colour for each class, ordered by class as the real files are."""
    random = np.random.default_rng(0)
    files, labels = [], []
    for kind in range(len(LABELS)):
        for _ in range(each):
            colour = np.array([25 * kind, 255 - 25 * kind, 60 * (kind % 4)])
            noisy = colour + random.integers(-20, 20, (32, 32, 3))
            files.append(jpeg(Image.fromarray(noisy.clip(0, 255).astype(np.uint8))))
            labels.append(kind)
    target = data / CIFAR_FOLDER / f"{part}.npz"
    target.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        target,
        jpeg=np.frombuffer(b"".join(files), np.uint8),
        offsets=np.cumsum([0, *map(len, files)]),
        labels=np.array(labels, np.uint8),
        classes=np.array(LABELS),
    )


def jpeg(picture: Image.Image) -> bytes:
    return _file(picture, "JPEG")


def _write_pedestrians(path: Path) -> None:
    files, entries = {}, []
    for number in FUDAN:
        name = f"FudanPed{number:05d}"
        picture = Image.new("RGB", (120, 90), (120, 160, 200))
        people = Image.new("L", picture.size)
        boxes = [[20, 20, 40, 80], [70, 10, 95, 85]]
        for person, box in enumerate(boxes, 1):
            last = box[0], box[1], box[2] - 1, box[3] - 1
            ImageDraw.Draw(picture).rectangle(last, (180, 40, 40))
            ImageDraw.Draw(people).rectangle(last, person)
        files[f"images/{name}.jpg"] = jpeg(picture)
        files[f"masks/{name}.png"] = _file(people, "PNG")
        entries.append({"file": f"images/{name}.jpg", "mask": f"masks/{name}.png", "boxes": boxes})
    _write(path, files, entries)


def _write_pets(path: Path) -> None:
    files, entries = {}, []
    for place in range(PETS + OTHER_PETS):
        label = ("cat", "dog")[place % 3 == 0]
        picture = Image.new("RGB", (100, 130), (90, 150, 80))
        trimap = Image.new("L", picture.size, 2)
        ImageDraw.Draw(picture).ellipse((20, 30, 80, 100), (160, 110, 60 + 100 * (label == "dog")))
        ImageDraw.Draw(trimap).ellipse((18, 28, 82, 102), 3)
        ImageDraw.Draw(trimap).ellipse((22, 32, 78, 98), 1)
        files[f"images/{place}.jpg"] = jpeg(picture)
        files[f"trimaps/{place}.png"] = _file(trimap, "PNG")
        entries.append(
            {
                "file": f"images/{place}.jpg",
                "trimap": f"trimaps/{place}.png",
                "label": label,
                "body_box": [18, 28, 83, 103],
                "source": "simonhansen1999" if place >= PETS else "Naveen-Dodda",
            }
        )
    _write(path, files, entries)


def _write_everyday(path: Path) -> None:
    files, entries = {}, []
    things = [["person", "car"], ["cat", "dog", "boat"], ["chair"], []]
    for split in ("train2017", "val2017"):
        for place, labels in enumerate(things):
            name = f"images/{split}/{place}.jpg"
            files[name] = jpeg(Image.new("RGB", (160, 100), (60 * place, 90, 120)))
            boxes = [[10.0 + 30 * n, 20.0, 45.0 + 30 * n, 90.0] for n in range(len(labels))]
            entries.append({"file": name, "split": split, "boxes": boxes, "labels": labels})
    _write(path, files, {"images": entries})


def _write(path: Path, files: dict[str, bytes], annotations: object) -> None:
    with tarfile.open(path, "w") as archive:
        for name, content in {
            **files,
            "annotations.json": json.dumps(annotations).encode(),
        }.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def _file(picture: Image.Image, kind: str) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind)
    return file.getvalue()
