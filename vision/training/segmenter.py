"""`segmenter`: which pixels belong to people, cats and dogs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from mlmesh.registry.manifest import Training
from vision.framing import Letterbox
from vision.training.calibration import best_temperature
from vision.training.framed import framed
from vision.training.graph import Graph, Pictures
from vision.training.mask_figures import Mask, counts_of, figures_of
from vision.training.release import Figures, Trained
from vision.training.scene_model import SIZE, SceneModel, centred
from vision.training.scene_sets import CHOICE, OTHER_PETS, PEDESTRIANS, PETS
from vision.training.scene_training import (
    CITATION,
    DATA,
    LICENCE,
    METHOD,
    SPLIT,
    TrainedScenes,
    train_scenes,
)
from vision.training.scenes import MASK_LABELS, UNKNOWN, Scene
from vision.training.served_models import ServedSegmenter
from vision.training.start import Start

NAME = "segmenter"
WITH_MASKS = (PEDESTRIANS, PETS, OTHER_PETS)
FLOORS = {
    "pf_test_person_iou": 0.62,
    "pet_test_cat_iou": 0.70,
    "pet_test_dog_iou": 0.68,
}
TARGETS = {
    "pf_test_person_iou": 0.70,
    "pet_test_cat_iou": 0.75,
    "pet_test_dog_iou": 0.75,
}
EVERY = 97
"""Of the pixels that the temperature is fitted on; neighbours say the same."""
LIMITS = (
    "It learnt from the photographs of the detector, and knows no more: people who walk in "
    "streets by day, and single cats and dogs, most of three breeds.",
    "It tells classes apart, not individuals: two people who touch are one area.",
    "Masks are drawn at 56 x 56 and enlarged: hair, tails, legs and whatever else is thin are "
    "blurred or lost.",
    "Part of a dog is often called cat and the other way round, above all with other breeds: see "
    "pet_other_test; whether it is a pet at all (pet_iou) is surer.",
    "Photographs of streets and pets have backgrounds of their own: rooms, food and vehicles may "
    "be taken for something. It was not measured on COCO, whose masks lack people here.",
    "Not for cutting people out where it matters that nobody is left in.",
)


def train_segmenter(start: Start) -> Trained:
    trained = train_scenes(start)
    temperature = _temperature(trained)
    tests = {name: trained.part(name) for name in WITH_MASKS}
    return Trained(
        name=NAME,
        task="segmentation",
        description="Which pixels of a photograph belong to people, cats and dogs",
        model=ServedSegmenter(trained.model, temperature),
        side=SIZE,
        outputs=ServedSegmenter.outputs,
        labels=MASK_LABELS,
        probes=trained.probes,
        training=Training(
            data=DATA,
            licence=LICENCE,
            citation=CITATION,
            rows=len(trained.part("train")),
            split=SPLIT,
            seed=start.scenes.seed,
            seconds=round(trained.seconds),
            method=f"{METHOD}; {start.scenes.steps:,} steps of {start.scenes.batch}; temperature "
            f"{temperature:.3f}. One network learnt for the detector, too, in the time stated",
        ),
        rows=sum(map(len, tests.values())),
        figures=lambda graph: figures_on(graph, tests),
        baselines={},
        notes="iou: intersection over union at the size of the original, pixels of all pictures "
        "of a set together; the border that the pets' annotators leave open does not count. pet: "
        "cat or dog, whichever.",
        limits=LIMITS,
        floors=FLOORS,
        targets=TARGETS,
    )


def figures_on(graph: Graph, tests: Mapping[str, Sequence[Scene]]) -> Figures:
    figures: Figures = {}
    for name, scenes in tests.items():
        counts = np.stack(
            [
                counts_of(np.asarray(scene.mask), mask_of(graph, scene), len(MASK_LABELS))
                for scene in scenes
            ]
        )
        figures |= figures_of(name, counts, MASK_LABELS)
    return figures


def mask_of(graph: Graph, scene: Scene) -> Mask:
    """uint8 [height, width] of the original, as the service answers."""
    seen = framed(scene.content, Letterbox(SIZE))
    place = seen.placement
    mask = graph.run(seen.pixels[None])["mask"][0]
    return place.mask_in_original(mask[: place.covered_height, : place.covered_width])


def _temperature(trained: TrainedScenes) -> float:
    """Fitted on pixels of photographs that are new to the model."""
    scores, kinds = [], []
    for scene in trained.part(CHOICE):
        seen = framed(scene.content, Letterbox(SIZE))
        drawn = scores_of(trained.model, seen.pixels[None])[0]
        place = seen.placement
        covered = drawn[:, : place.covered_height, : place.covered_width]
        truth = np.asarray(scene.mask)
        # Each pixel of the original is told by the nearest one of the square.
        found = covered[:, place.rows][:, :, place.columns].reshape(len(MASK_LABELS), -1)
        known = np.flatnonzero(truth.ravel() != UNKNOWN)[::EVERY]
        scores.append(found[:, known].T)
        kinds.append(truth.ravel()[known])
    return best_temperature(
        np.concatenate(scores).astype(np.float64), np.concatenate(kinds).astype(np.int64)
    )


def scores_of(model: SceneModel, pictures: Pictures) -> NDArray[np.float32]:
    """Scores before the softmax, float32 [rows, 4, 224, 224]."""
    with torch.no_grad():
        _, fine = model.eval().trunk(centred(torch.from_numpy(pictures)))
        scores: NDArray[np.float32] = model.masks(fine).numpy()
    return scores
