"""`detector`: where people, cats and dogs are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from mlmesh.registry.manifest import Training
from vision.framing import Letterbox
from vision.suppression import best_boxes
from vision.training.calibration import best_line, log_odds
from vision.training.detection_figures import THRESHOLDS, Found, Truth, figures_of, judged
from vision.training.fidelity import answers_of
from vision.training.framed import framed
from vision.training.graph import BATCH, Answers, Graph, Pictures
from vision.training.release import Figures, Trained
from vision.training.scene_model import SIZE
from vision.training.scene_sets import CHOICE, TESTS
from vision.training.scene_training import (
    CITATION,
    DATA,
    LICENCE,
    METHOD,
    SPLIT,
    TrainedScenes,
    train_scenes,
)
from vision.training.scenes import LABELS, Scene
from vision.training.served_models import ServedDetector
from vision.training.start import Start

NAME = "detector"
OUTPUTS = ServedDetector.outputs
FLOORS = {
    "pf_test_person_ap50": 0.80,
    "pet_test_cat_ap50": 0.90,
    "pet_test_dog_ap50": 0.95,
}
TARGETS = {
    "pf_test_person_ap50": 0.85,
    "pet_test_cat_ap50": 0.92,
    "pet_test_dog_ap50": 0.96,
}
LIMITS = (
    "It learnt from 738 photographs. It knows people who walk in streets, seen whole and by day, "
    "and single cats and dogs that fill much of the picture; 87 % of the pets are Abyssinian and "
    "Bengal cats and American bulldogs.",
    "On everyday photographs (coco_val) it finds few of the people: they sit, are cut off, stand "
    "in crowds or are only a few pixels high.",
    "Dogs of other breeds are often taken for cats: a Shiba Inu of pet_other_test with a "
    "confidence of 0.91, a Staffordshire bull terrier with 0.88. Black pets in the dark go unseen.",
    "Photographs are reduced to 224 pixels on their longer side: what is smaller than about a "
    "twentieth of it is not found.",
    "People who overlap by more than half are found as one.",
    "It was shown few things that are none of the three, and takes other things for them: a brown "
    "bear of coco_val is a dog to it with a confidence of 0.98, a hamburger a cat with 0.73.",
    "Not for safety, surveillance or anything that decides about people.",
)


def train_detector(start: Start) -> Trained:
    trained = train_scenes(start)
    slope, offset = _confidence_line(trained)
    tests = {name: trained.part(name) for name in TESTS}
    return Trained(
        name=NAME,
        task="detection",
        description="Where people, cats and dogs are on a photograph",
        model=ServedDetector(trained.model, slope, offset),
        side=SIZE,
        outputs=OUTPUTS,
        labels=LABELS,
        probes=trained.probes,
        training=Training(
            data=DATA,
            licence=LICENCE,
            citation=CITATION,
            rows=len(trained.part("train")),
            split=SPLIT,
            seed=start.scenes.seed,
            seconds=round(trained.seconds),
            method=f"{METHOD}; {start.scenes.steps:,} steps of {start.scenes.batch}; scores "
            f"changed by slope {slope:.3f} and offset {offset:.3f} (Platt 1999). One network "
            "learnt for the segmenter, too, in the time stated",
        ),
        rows=sum(map(len, tests.values())),
        figures=lambda graph: figures_on(graph, tests),
        baselines={},
        notes="ap50: average precision at an IoU of 0.5, all points, boxes in pixels of the "
        "original; at most 100 boxes of a confidence of 0.05 or more, suppressed at an IoU of 0.5. "
        "sure: boxes of a confidence of 0.5 or more, as the service names by default. coco_val "
        "holds 3 cats and 1 dog: their figures say nothing.",
        limits=LIMITS,
        floors=FLOORS,
        targets=TARGETS,
    )


def figures_on(graph: Graph, tests: Mapping[str, Sequence[Scene]]) -> Figures:
    figures: Figures = {}
    for name, scenes in tests.items():
        founds = found_on(graph, scenes)
        truths = [Truth(scene.boxes, scene.classes) for scene in scenes]
        figures |= figures_of(name, truths, founds, LABELS)
    return figures


def found_on(graph: Graph, scenes: Sequence[Scene]) -> list[Found]:
    return [found for some in _few(scenes) for found in found_in(some, graph.run(_pictures(some)))]


def found_in(scenes: Sequence[Scene], answers: Answers) -> list[Found]:
    """What the graph found on each, in pixels of the original, as the service does it."""
    founds = []
    for scene, boxes, scores in zip(scenes, answers["boxes"], answers["scores"], strict=True):
        best = best_boxes(boxes, scores, THRESHOLDS)
        placement = framed(scene.content, Letterbox(SIZE)).placement
        original = placement.boxes_in_original(best.boxes)
        inside = (original[:, 2:] > original[:, :2]).all(axis=1)
        founds.append(
            Found(
                original[inside],
                best.classes[inside].astype(np.int64),
                best.scores[inside].astype(np.float64),
            )
        )
    return founds


def _confidence_line(trained: TrainedScenes) -> tuple[float, float]:
    """Slope and offset that make confidences true on photographs that are new to the model."""
    scenes = trained.part(CHOICE)
    answers = answers_of(ServedDetector(trained.model), OUTPUTS, _pictures(scenes))
    scores, right = [], []
    for scene, found in zip(scenes, found_in(scenes, answers), strict=True):
        for kind in range(len(LABELS)):
            one = judged(Truth(scene.boxes, scene.classes), found, kind)
            scores.append(one.scores)
            right.append(one.right)
    return best_line(log_odds(np.concatenate(scores)), np.concatenate(right))


def _pictures(scenes: Sequence[Scene]) -> Pictures:
    return np.stack([framed(scene.content, Letterbox(SIZE)).pixels for scene in scenes])


def _few(scenes: Sequence[Scene]) -> Iterator[Sequence[Scene]]:
    for start in range(0, len(scenes), BATCH):
        yield scenes[start : start + BATCH]
