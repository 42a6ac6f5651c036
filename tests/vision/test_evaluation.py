"""The vision service's models, judged through a running service on pictures that a test makes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from PIL import Image

from mlmesh.evaluation.served import NotEvaluated, Served, asking
from mlmesh.registry.manifest import read_manifest, write_manifest
from tests.tiny_models import sign_version
from tests.vision.pictures import BLUE, GREEN, RED, encoded, plain, with_box
from tests.vision.serving import image_hosting, serving_vision
from tests.vision.tiny_images import write_classifier
from vision.evaluation import classify, detect, evaluations, segment
from vision.training.classifier_sets import Photograph
from vision.training.detection_figures import Truth, figures_of as detection_figures_of
from vision.training.mask_figures import figures_of as mask_figures_of
from vision.training.scenes import LABELS, MASK_LABELS, Scene

Item = TypeVar("Item")
Answer = TypeVar("Answer")
PERSON, CAT = 0, 1


async def asked(
    how: Callable[[Served, Sequence[Item]], list[Answer]],
    items: Sequence[Item],
    port: int,
    version: Path,
) -> list[Answer]:
    """The answers of a version's service, asked beside the loop that it runs on."""
    manifest = read_manifest(version)

    def ask() -> list[Answer]:
        with asking(f"127.0.0.1:{port}") as channel:
            served = Served(channel, manifest.name, manifest.version, manifest.digest)
            return how(served, items)

    return await asyncio.to_thread(ask)


def scene(colour: tuple[int, int, int], box: tuple[int, int, int, int], kind: int) -> Scene:
    """128 x 64 pixels with one thing on them."""
    pixels = with_box(plain(128, 64), box, colour)
    mask = np.where(pixels.any(axis=2), kind + 1, 0).astype(np.uint8)
    return Scene(
        name="made",
        source="made",
        part="test",
        content=encoded(pixels),
        picture=Image.fromarray(pixels),
        mask=Image.fromarray(mask),
        boxes=np.array([box], np.float32),
        classes=np.array([kind], np.int64),
    )


SCENES = (
    scene(RED, (20, 10, 60, 50), PERSON),
    scene(GREEN, (40, 4, 100, 60), CAT),
    # What is blue is taken for a dog.
    scene(BLUE, (8, 8, 40, 56), CAT),
)


async def test_boxes_are_judged_in_pixels_of_the_original(
    vision_port: int, image_models: Path
) -> None:
    found = await asked(detect, SCENES, vision_port, image_models / "detector" / "v1.0")

    figures = detection_figures_of(
        "set", [Truth(one.boxes, one.classes) for one in SCENES], found, LABELS
    )

    assert np.abs(found[0].boxes[0] - SCENES[0].boxes[0]).max() <= 2
    assert figures["set_person_ap50"] == 1
    assert figures["set_cat_ap50"] == 0.5
    assert (figures["set_cat_sure_recall"], figures["set_cat_sure_precision"]) == (0.5, 1)


async def test_masks_are_judged_at_the_size_of_the_original(
    vision_port: int, image_models: Path
) -> None:
    counts = await asked(segment, SCENES, vision_port, image_models / "segmenter" / "v1.0")

    figures = mask_figures_of("set", np.stack(counts), MASK_LABELS)

    assert [one.sum() for one in counts] == [128 * 64] * 3
    assert figures["set_person_iou"] > 0.9
    assert 0.6 < figures["set_cat_iou"] < 0.75
    assert figures["set_pet_iou"] > 0.9


async def test_probabilities_are_those_of_the_ten_kinds_by_their_names(tmp_path: Path) -> None:
    version = write_classifier(tmp_path)
    manifest = read_manifest(version)
    # Red, green and blue are taken for these.
    write_manifest(version, manifest.model_copy(update={"labels": ("truck", "frog", "bird")}))
    sign_version(version)
    photographs = [Photograph(encoded(plain(40, 40, colour)), 0) for colour in (RED, GREEN, BLUE)]

    async with image_hosting(tmp_path) as host, serving_vision(host) as port:
        found = await asked(classify, photographs, port, version)

    assert [one.argmax() for one in found] == [9, 6, 2]
    assert [one.shape for one in found] == [(10,)] * 3
    assert np.stack(found).sum(axis=1) == pytest.approx(1, abs=1e-5)


async def test_a_picture_that_cannot_be_read_is_named(vision_port: int, image_models: Path) -> None:
    photographs = [Photograph(b"no picture", 0)]

    with pytest.raises(NotEvaluated, match=r"INVALID_ARGUMENT: images\[0\]"):
        await asked(classify, photographs, vision_port, image_models / "classifier" / "v1.0")


def test_every_model_is_judged_by_its_own_sets(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from tests.vision.training.tiny_sets import write_sets

    write_sets(tmp_path)

    names = {
        model: [held.name for held in evaluation.read(tmp_path)]
        for model, evaluation in evaluations.items()
    }

    assert names == {
        "classifier": ["cifar", "pets", "cut_pets", "coco_crops"],
        "detector": ["pf_test", "pet_test", "pet_other_test", "coco_val"],
        "segmenter": ["pf_test", "pet_test", "pet_other_test"],
    }


@pytest.mark.parametrize("model", evaluations)
def test_a_missing_file_is_the_one_that_is_named(model: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as raised:
        evaluations[model].read(tmp_path)

    assert str(tmp_path) in str(raised.value.filename)
