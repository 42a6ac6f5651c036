"""`classifier`: which of the ten classes of CIFAR-10 a small picture shows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from mlmesh.registry.manifest import Training
from vision.framing import CentreSquare
from vision.training.calibration import best_temperature
from vision.training.checkpoint import Checkpoint
from vision.training.cifar import LABELS, Labelled, held_out, read_cifar
from vision.training.classifier_figures import figures_of, recalls_of
from vision.training.classifier_fitting import Schedule, Teacher, fit_classifier, scores_of
from vision.training.classifier_model import SIZE, ClassifierModel
from vision.training.classifier_sets import CIFAR, Photograph, read_classifier_tests
from vision.training.classifier_teachers import Teachers
from vision.training.framed import pictures_of
from vision.training.graph import Graph
from vision.training.release import Figures, Trained
from vision.training.served_models import ServedClassifier
from vision.training.start import Start

NAME = "classifier"
PROBES = 128
LIMITS = (
    "It sees 32 x 32 pixels. Of a photograph the middle square is taken and reduced to that: what "
    "lies outside of the square is not seen, and small things become specks.",
    "It knows ten classes and nothing else, and has no answer for none of them: a person, a chair "
    "or noise become one of the ten, often with a high probability.",
    "It is meant for one thing that fills the picture, as in CIFAR-10. Of whole photographs of "
    "pets six in seven are right, of things cut out of everyday photographs (coco_crops) little "
    "more than half, with too much confidence.",
    "Cats and dogs are mixed up most often, then automobiles with trucks, birds with cats and "
    "deer, ships with airplanes.",
    "CIFAR-10 shows typical views in daylight; drawings, night and unusual views were not tested.",
    "The pictures were learnt and tested as JPEG copies: figures on the originals may differ.",
)


def train_classifier(start: Start) -> Trained:
    runs = start.classifier
    seed = runs.taught.seed
    train, choice = held_out(read_cifar(start.data, "train"), start.held_out, seed)
    model, seconds = learnt(train, start)
    scores = scores_of(model, choice)
    alone = float((scores.argmax(axis=1) == choice.classes).mean())
    scores = (scores + scores_of(model, choice.mirrored)) / 2
    both = float((scores.argmax(axis=1) == choice.classes).mean())
    temperature = best_temperature(scores, choice.classes)
    tests = read_classifier_tests(start.data)

    return Trained(
        name=NAME,
        task="classification",
        description="Which of ten kinds of animals and vehicles a picture shows (CIFAR-10)",
        model=ServedClassifier(model, temperature),
        side=SIZE,
        outputs=ServedClassifier.outputs,
        labels=LABELS,
        probes=choice.pictures[:PROBES],
        training=Training(
            data="CIFAR-10: the training part, as JPEG copies of quality 75",
            licence="no licence stated; published for research",
            citation="Krizhevsky 2009, Learning multiple layers of features from tiny images",
            rows=len(train),
            split=f"cifar: the official test part, used once, to report; {len(choice):,} random "
            "pictures of the training part were held out for the temperature. Pets sample and "
            "COCO128: nothing of them was learnt",
            seed=seed,
            seconds=round(seconds),
            method="Three runs (Jordan 2024, arXiv 2404.00498, with groups of 64, 192 and 256), "
            "SGD in bfloat16 with lookahead, label smoothing and mirror images in turn: the "
            f"network of airbench94 for {runs.shallow.epochs} epochs, that of airbench96 for "
            f"{runs.deep.epochs}, with parts of pictures in others (CutMix, Yun et al. 2019, arXiv "
            f"1905.04899), which then learns for {runs.taught.epochs} more, "
            f"{runs.taught.taught:.0%} from the mean of the scores of both (Furlanello et al. "
            "2018, arXiv 1805.04770), from pictures as before and others that are nearer, farther "
            "or lit otherwise. The graph takes the mean of the scores of a picture and of its "
            f"mirror image: {both:.4f} right of those held out, {alone:.4f} without. Temperature "
            f"{temperature:.3f}; weights rounded to int8 for each output",
        ),
        rows=sum(map(len, tests.values())),
        figures=lambda graph: figures_on(graph, tests),
        baselines={},
        notes="cifar: the official test. pets: whole photographs of cats and dogs, reduced as the "
        "service reduces them; cut_pets: squares around the same pets; coco_crops: squares around "
        "things of eight of the classes in everyday photographs. All ten answers are allowed "
        "everywhere. The mirror image that each picture is shown with is part of the graph.",
        limits=LIMITS,
        floors={"cifar_accuracy": 0.915, "pets_accuracy": 0.84},
        targets={"cifar_accuracy": 0.92},
    )


def learnt(train: Labelled, start: Start) -> tuple[ClassifierModel, float]:
    """The network after the three runs, and the CPU seconds that they took together."""
    runs = start.classifier

    def fit(
        model: ClassifierModel, name: str, schedule: Schedule, teacher: Teacher | None = None
    ) -> float:
        # What is taught depends on the runs before, too.
        run = f"{NAME} {len(train)} {schedule if teacher is None else runs}"
        saved = Checkpoint(start.checkpoints / f"{NAME}-{name}.pt", run)
        return fit_classifier(model, train, schedule, start.progress, saved, teacher)

    torch.manual_seed(runs.shallow.seed)
    shallow = ClassifierModel(deep=False)
    seconds = fit(shallow, "shallow", runs.shallow)
    torch.manual_seed(runs.deep.seed)
    model = ClassifierModel()
    seconds += fit(model, "deep", runs.deep)
    seconds += fit(model, "taught", runs.taught, Teachers(shallow, model))
    return model, seconds


def figures_on(graph: Graph, tests: Mapping[str, list[Photograph]]) -> Figures:
    figures: Figures = {}
    for name, photographs in tests.items():
        pictures = pictures_of((one.content for one in photographs), CentreSquare(SIZE))
        probabilities = graph(pictures)["probabilities"].astype(np.float64)
        classes = np.array([one.kind for one in photographs], np.int64)
        figures |= figures_of(name, probabilities, classes)
        if name == CIFAR or name.endswith("pets"):
            figures |= recalls_of(name, probabilities, classes, LABELS)
    return figures
