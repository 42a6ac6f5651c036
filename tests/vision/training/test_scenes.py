"""Scenes: how they are read, parted and mixed, and what is asked of the network about them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.vision.training.tiny_sets import write_sets
from vision.training.classifier_sets import cut_out, read_classifier_tests
from vision.training.scene_pictures import SceneMixer
from vision.training.scene_sets import read_scenes
from vision.training.scenes import UNKNOWN, Scene

SIZE = 96


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_sets(folder)
    return folder


def drawn(kind: int = 0, box: tuple[int, int, int, int] = (20, 10, 60, 70)) -> Scene:
    """A red thing on blue ground, 80 x 100."""
    pixels = np.zeros((100, 80, 3), np.uint8)
    pixels[..., 2] = 200
    mask = np.zeros((100, 80), np.uint8)
    inside = np.s_[box[1] : box[3], box[0] : box[2]]
    pixels[inside], mask[inside] = (200, 0, 0), kind + 1
    return Scene(
        name="drawn",
        source="pets",
        part="train",
        content=b"",
        picture=Image.fromarray(pixels),
        mask=Image.fromarray(mask),
        boxes=np.array([box], np.float32),
        classes=np.array([kind]),
        cutouts=(np.where(mask > 0, 255, 0).astype(np.uint8),),
    )


def test_every_scene_has_its_part(data: Path) -> None:
    scenes = read_scenes(data)

    parts = Counter((scene.source, scene.part) for scene in scenes)

    assert parts[("pennfudan", "train")] == 2
    assert parts[("pennfudan", "choice")] == parts[("pennfudan", "pf_test")] == 1
    assert parts[("pets", "pet_test")] == 6
    assert parts[("pets", "pet_other_test")] == 2
    assert parts[("coco128", "train")] == parts[("coco128", "coco_val")] == 4


def test_things_lie_where_the_annotations_say(data: Path) -> None:
    scenes = {(scene.source, scene.name, scene.part): scene for scene in read_scenes(data)}

    people = scenes["pennfudan", "FudanPed00001", "train"]
    pet = scenes["pets", "1", "train"]

    assert people.boxes.tolist() == [[20, 20, 40, 80], [70, 10, 95, 85]]
    assert people.mask is not None
    assert np.asarray(people.mask)[50, 30] == 1
    assert [int(one[50, 30]) for one in people.cutouts] == [255, 0]
    assert pet.boxes.tolist() == [[18, 28, 83, 103]]
    assert pet.mask is not None
    # Background, the border that nobody knows, and a cat.
    assert [int(np.asarray(pet.mask)[65, x]) for x in (5, 20, 50)] == [0, UNKNOWN, 2]


def test_pictures_of_other_things_are_background_all_over(data: Path) -> None:
    everyday = [scene for scene in read_scenes(data) if scene.source == "coco128"]

    assert all((scene.mask is None) == (len(scene.boxes) > 0) for scene in everyday)
    assert {int(one) for scene in everyday for one in scene.classes} == {0, 1, 2}


def test_a_reduced_scene_shows_the_same() -> None:
    small = drawn().reduced(50)

    assert small.picture.size == (40, 50)
    assert small.boxes.tolist() == [[10, 5, 30, 35]]
    assert small.mask is not None
    assert small.cutouts[0].shape == np.asarray(small.mask).shape == (50, 40)


def test_a_sample_is_the_same_for_the_same_seed() -> None:
    mixer = SceneMixer([drawn(), drawn(1)], [1, 1], SIZE)

    one, same, other = (mixer.sample(np.random.default_rng(seed)) for seed in (5, 5, 6))

    assert (one.picture == same.picture).all()
    assert one.boxes.tolist() == same.boxes.tolist()
    assert one.picture.tobytes() != other.picture.tobytes()


def test_boxes_and_masks_of_samples_follow_the_things() -> None:
    mixer = SceneMixer([drawn()], [1], SIZE)
    samples = [mixer.sample(np.random.default_rng(seed)) for seed in range(60)]

    for sample in samples:
        assert sample.picture.shape == (SIZE, SIZE, 3)
        assert (sample.boxes >= 0).all()
        assert (sample.boxes <= SIZE).all()
        for left, top, right, bottom in sample.boxes.round().astype(int):
            inside = sample.mask[top:bottom, left:right]
            around = sample.picture[top:bottom, left:right]
            assert (inside == 1).mean() > 0.85
            assert (around[..., 0] > around[..., 2]).mean() > 0.85 or np.ptp(around, -1).max() == 0

    assert sum(len(sample.boxes) for sample in samples) > 60


def test_samples_hold_pasted_things() -> None:
    empty = Scene(
        name="empty",
        source="coco128",
        part="train",
        content=b"",
        picture=Image.new("RGB", (80, 80), (0, 0, 200)),
        mask=Image.new("L", (80, 80), 0),
        boxes=np.zeros((0, 4), np.float32),
        classes=np.zeros(0, np.int64),
    )
    mixer = SceneMixer([empty, drawn(2)], [1, 1e-9], SIZE)

    samples = [mixer.sample(np.random.default_rng(seed)) for seed in range(40)]

    pasted = [sample for sample in samples if len(sample.boxes)]
    assert 5 < len(pasted) < 35
    assert all((sample.mask == 3).any() and set(sample.classes) == {2} for sample in pasted)


def test_a_thing_is_cut_out_in_a_square_that_stays_in_the_picture(data: Path) -> None:
    tests = read_classifier_tests(data)
    pets = tests["pets"]

    square = cut_out(pets[0].content, [10, 20, 90, 40])

    assert {name: len(some) for name, some in tests.items()} == {
        "cifar": 30,
        "pets": 30,
        "cut_pets": 30,
        "coco_crops": 8,
    }
    assert int.from_bytes(square[16:20]) == int.from_bytes(square[20:24]) == 80
