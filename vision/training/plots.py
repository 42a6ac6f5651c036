"""Plots of how good the shipped models are. They show figures only, no photograph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mlmesh.evaluation.calibration import reliability
from mlmesh.registry.manifest import MODEL_FILE
from vision.framing import CentreSquare
from vision.training import classifier, detector, segmenter
from vision.training.chart import Chart, Line, small, table_chart
from vision.training.cifar import LABELS as CIFAR_LABELS
from vision.training.classifier_sets import (
    CIFAR,
    CUT_PETS,
    PETS as WHOLE_PETS,
    Photograph,
    read_classifier_tests,
)
from vision.training.detection_figures import Truth, judged
from vision.training.framed import pictures_of
from vision.training.graph import Graph
from vision.training.mask_figures import counts_of, overlap
from vision.training.release import VERSION
from vision.training.scene_sets import OTHER_PETS, PEDESTRIANS, PETS, read_scenes
from vision.training.scenes import LABELS, MASK_LABELS, Scene

CURVES = ((PEDESTRIANS, 0), (PETS, 1), (PETS, 2), (OTHER_PETS, 1), (OTHER_PETS, 2))
"""Set and class of each line."""


def draw_plots(data: Path, models: Path, folder: Path) -> None:
    """Write `vision-*.png` into `folder`, from the versions in `models`."""
    folder.mkdir(parents=True, exist_ok=True)

    def graph(name: str) -> Graph:
        return Graph(models / name / VERSION / MODEL_FILE)

    _draw_classifier(graph(classifier.NAME), read_classifier_tests(data), folder)
    scenes = read_scenes(data)
    parts = {
        name: [s for s in scenes if s.part == name] for name in (PEDESTRIANS, PETS, OTHER_PETS)
    }
    chart = Chart("Detector: precision over recall, IoU 0.5", "recall", "precision")
    chart.lines(_precision_lines(graph(detector.NAME), parts))
    small(chart.picture).save(folder / "vision-detector-precision.png", optimize=True)
    chart = Chart("Segmenter: IoU of each photograph, worst first", "share of photographs", "IoU")
    chart.lines(_overlap_lines(graph(segmenter.NAME), parts))
    small(chart.picture).save(folder / "vision-segmenter-overlap.png", optimize=True)


def _draw_classifier(graph: Graph, tests: Mapping[str, Sequence[Photograph]], folder: Path) -> None:
    lines: list[Line] = []
    for name in (CIFAR, WHOLE_PETS, CUT_PETS):
        pictures = pictures_of((one.content for one in tests[name]), CentreSquare(graph.side))
        shares = graph(pictures)["probabilities"].astype(np.float64)
        kinds = np.array([one.kind for one in tests[name]])
        answers = shares.argmax(axis=1)
        bins = reliability(shares.max(axis=1), answers == kinds)
        points = np.array([[claimed, seen] for _, claimed, seen in bins])
        lines.append((name.replace("_", " "), points[:, 0], points[:, 1]))
        if name == CIFAR:
            table = np.zeros((len(CIFAR_LABELS), len(CIFAR_LABELS)))
            np.add.at(table, (kinds, answers), 1)
            table /= np.maximum(1, table.sum(axis=1, keepdims=True))
            title = "CIFAR-10 test: true class (rows), answer (columns), in %"
            picture = small(table_chart(title, table, CIFAR_LABELS))
            picture.save(folder / "vision-classifier-confusion.png", optimize=True)
    chart = Chart("Classifier: how often it is right", "claimed probability", "share that is right")
    chart.diagonal().lines(lines)
    small(chart.picture).save(folder / "vision-classifier-reliability.png", optimize=True)


def _precision_lines(graph: Graph, parts: Mapping[str, Sequence[Scene]]) -> list[Line]:
    founds = {name: detector.found_on(graph, scenes) for name, scenes in parts.items()}
    lines = []
    for name, kind in CURVES:
        truths = (Truth(scene.boxes, scene.classes) for scene in parts[name])
        pictures = [judged(*pair, kind) for pair in zip(truths, founds[name], strict=True)]
        scores = np.concatenate([one.scores for one in pictures])
        right = np.concatenate([one.right for one in pictures])[np.argsort(-scores, kind="stable")]
        true = max(1, sum(one.true for one in pictures))
        precision = right.cumsum() / np.arange(1, len(right) + 1)
        lines.append((f"{name} {LABELS[kind]}", right.cumsum() / true, precision))
    return lines


def _overlap_lines(graph: Graph, parts: Mapping[str, Sequence[Scene]]) -> list[Line]:
    lines = []
    for name, kind in CURVES:
        scenes = [scene for scene in parts[name] if kind in scene.classes]
        values = sorted(
            overlap(
                counts_of(
                    np.asarray(scene.mask), segmenter.mask_of(graph, scene), len(MASK_LABELS)
                ),
                (kind + 1,),
            )
            for scene in scenes
        )
        places = (np.arange(len(values)) + 0.5) / max(1, len(values))
        lines.append((f"{name} {LABELS[kind]}", places, np.array(values)))
    return lines
