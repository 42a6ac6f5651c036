"""How the models of the vision service are judged through it: batched calls on test pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mlmesh.evaluation.evaluation import Evaluation, HeldOutSet, Tolerance
from mlmesh.evaluation.served import SECONDS, Served
from mlmesh.v1 import vision_pb2 as pb, vision_pb2_grpc as rpc
from vision.training import classifier_figures, detection_figures, mask_figures
from vision.training.cifar import LABELS as KINDS
from vision.training.classifier_sets import EVERYDAY, Photograph, read_classifier_tests
from vision.training.detection_figures import THRESHOLDS, Found, Truth
from vision.training.mask_figures import Counts, counts_of
from vision.training.scene_sets import OTHER_PETS, PEDESTRIANS, PETS, TESTS, read_scenes
from vision.training.scenes import LABELS, MASK_LABELS, Scene

WITH_MASKS = (PEDESTRIANS, PETS, OTHER_PETS)
PHOTOGRAPHS = 16
"""Of one call; they are some hundred kilobytes each."""
Shares = NDArray[np.float64]
"""float64 [10]: the probability of each of KINDS."""


def classify(served: Served, photographs: Sequence[Photograph]) -> list[Shares]:
    reply = rpc.VisionServiceStub(served.channel).BatchClassify(
        pb.BatchClassifyRequest(
            model=served.model,
            model_version=served.version,
            images=[one.content for one in photographs],
            top_k=len(KINDS),
        ),
        timeout=SECONDS,
    )
    found = [
        # `class` is a word of Python's own, so it cannot be read with a dot.
        {getattr(one, "class"): one.confidence for one in result.predictions}
        for result in served.results(reply)
    ]
    return [np.array([shares.get(kind, 0.0) for kind in KINDS]) for shares in found]


def detect(served: Served, scenes: Sequence[Scene]) -> list[Found]:
    """With the thresholds of the figures, which are not those that the service has by default."""
    reply = rpc.VisionServiceStub(served.channel).BatchDetect(
        pb.BatchDetectRequest(
            model=served.model,
            model_version=served.version,
            images=[one.content for one in scenes],
            min_confidence=THRESHOLDS.min_confidence,
            iou=THRESHOLDS.iou,
            max_detections=THRESHOLDS.most,
        ),
        timeout=SECONDS,
    )
    return [_found(result.detections) for result in served.results(reply)]


def segment(served: Served, scenes: Sequence[Scene]) -> list[Counts]:
    """Pixels of every scene by true and answered class: see `counts_of`."""
    reply = rpc.VisionServiceStub(served.channel).BatchSegment(
        pb.BatchSegmentRequest(
            model=served.model,
            model_version=served.version,
            images=[one.content for one in scenes],
        ),
        timeout=SECONDS,
    )
    masks = [np.asarray(Image.open(BytesIO(one.mask))) for one in served.results(reply)]
    return [
        counts_of(np.asarray(scene.mask), mask, len(MASK_LABELS))
        for scene, mask in zip(scenes, masks, strict=True)
    ]


def photographs_in(data: Path) -> list[HeldOutSet[Photograph, Shares]]:
    def figures(
        name: str, photographs: Sequence[Photograph], found: Sequence[Shares]
    ) -> dict[str, float]:
        shares, classes = np.stack(found), np.array([one.kind for one in photographs], np.int64)
        recalls = (
            {} if name == EVERYDAY else classifier_figures.recalls_of(name, shares, classes, KINDS)
        )
        return {**classifier_figures.figures_of(name, shares, classes), **recalls}

    return [
        HeldOutSet(name, photographs, classify, partial(figures, name))
        for name, photographs in read_classifier_tests(data).items()
    ]


def boxes_in(data: Path) -> list[HeldOutSet[Scene, Found]]:
    def figures(name: str, scenes: Sequence[Scene], found: Sequence[Found]) -> dict[str, float]:
        truths = [Truth(scene.boxes, scene.classes) for scene in scenes]
        return detection_figures.figures_of(name, truths, found, LABELS)

    return [
        HeldOutSet(name, scenes, detect, partial(figures, name), PHOTOGRAPHS)
        for name, scenes in _scenes(data, TESTS).items()
    ]


def masks_in(data: Path) -> list[HeldOutSet[Scene, Counts]]:
    def figures(name: str, scenes: Sequence[Scene], found: Sequence[Counts]) -> dict[str, float]:
        return mask_figures.figures_of(name, np.stack(found), MASK_LABELS)

    return [
        HeldOutSet(name, scenes, segment, partial(figures, name), PHOTOGRAPHS)
        for name, scenes in _scenes(data, WITH_MASKS).items()
    ]


def _found(detections: Sequence[pb.Detection]) -> Found:
    corners = [(one.box.x_min, one.box.y_min, one.box.x_max, one.box.y_max) for one in detections]
    return Found(
        np.array(corners, np.float32).reshape(-1, 4),
        np.array([LABELS.index(one.label) for one in detections], np.int64),
        np.array([one.confidence for one in detections], np.float64),
    )


def _scenes(data: Path, names: Sequence[str]) -> dict[str, list[Scene]]:
    everything = read_scenes(data)
    return {name: [one for one in everything if one.part == name] for name in names}


OF_MANY = Tolerance(
    0.001,
    "0.1 points; the kind of processor that the card was measured on gives the same figures, "
    "another one, or another decoder of JPEG, may turn a few answers that stood on an edge",
)
OF_FEW = Tolerance(0.01, "1 point, for the sets are small: a few things are up to that much")
OF_SINGLE_THINGS = Tolerance(0.025, "2.5 points: one thing of the 40 that some sets have of a kind")
evaluations: Mapping[str, Evaluation] = {
    "classifier": Evaluation(photographs_in, {"cifar_*": OF_MANY, "*": OF_FEW}),
    "detector": Evaluation(boxes_in, {"*_sure_*": OF_SINGLE_THINGS, "*": OF_FEW}),
    "segmenter": Evaluation(masks_in, {"*": OF_MANY}),
}
