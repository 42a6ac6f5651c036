"""Which things are in an image, and where."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlmesh.inference.version import LoadedVersion
from mlmesh.runtime.call import Call
from mlmesh.runtime.errors import Precondition
from vision.framing import Letterbox
from vision.image_model import ImageModel, Seen, Signature, Timing
from vision.image_reader import ImageReader
from vision.images import CheckedImage, EncodedImage
from vision.suppression import Things, Thresholds, best_boxes

BOXES, SCORES = "boxes", "scores"
SIGNATURE = Signature("detection", frozenset({BOXES, SCORES}))


@dataclass(frozen=True, slots=True)
class Detections:
    """What was found in one image."""

    things: Things
    """Their boxes are in pixels of the upright original."""
    width: int
    """Of the upright original."""
    height: int
    """Of the upright original."""
    image: CheckedImage
    timing: Timing


class DetectorModel(ImageModel):
    """One version of a model that detects."""

    def __init__(self, version: LoadedVersion) -> None:
        super().__init__(version, SIGNATURE, Letterbox)
        boxes, scores = self.output(BOXES).shape, self.output(SCORES).shape
        if len(boxes) != 3 or boxes[2] != 4 or len(scores) != 3:
            raise Precondition(
                f"model: {self.manifest.name} does not give {BOXES} [images, boxes, 4] "
                f"and {SCORES} [images, boxes, classes]"
            )
        self.require_labels(scores[2])

    async def detect(
        self, image: EncodedImage, thresholds: Thresholds, reader: ImageReader, call: Call
    ) -> Detections:
        """The things in an image. Raises InvalidInput for one that cannot be read."""
        seen = await self.look(image, reader, call)
        return await reader.threads.beside(seen.framed.pixels.size, detections, seen, thresholds)


def detector_model(version: LoadedVersion) -> DetectorModel:
    """A version as a model that detects; raises Precondition when it is none."""
    return DetectorModel(version)


def detections(seen: Seen, thresholds: Thresholds) -> Detections:
    """What the graph found, in pixels of the original; what lies outside of it is left out."""
    placement = seen.framed.placement
    boxes, scores = seen.outputs[BOXES], seen.outputs[SCORES]
    places = placement.boxes_in_original(boxes)
    # Before anything is counted: what is left out must not take the place of what is not.
    inside = np.isfinite(boxes).all(axis=1) & (places[:, 2:] > places[:, :2]).all(axis=1)
    found = best_boxes(boxes[inside], scores[inside], thresholds)
    things = Things(placement.boxes_in_original(found.boxes), found.scores, found.classes)
    return Detections(things, placement.width, placement.height, seen.framed.image, seen.timing)
