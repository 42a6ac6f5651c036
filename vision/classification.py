"""What an image shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlmesh.inference.version import LoadedVersion
from mlmesh.runtime.call import Call
from mlmesh.runtime.errors import Precondition
from vision.framing import CentreSquare
from vision.image_model import ImageModel, Signature, Timing
from vision.image_reader import ImageReader
from vision.images import EncodedImage

OUTPUT = "probabilities"
SIGNATURE = Signature("classification", frozenset({OUTPUT}))
DEFAULT_TOP = 5

Probabilities: TypeAlias = NDArray[np.float32]
"""float32 [classes]"""


@dataclass(frozen=True, slots=True)
class Classification:
    """What the model says of one image."""

    probabilities: Probabilities
    timing: Timing

    def best(self, top: int) -> list[int]:
        """The most likely classes, most likely first; 0 means DEFAULT_TOP."""
        order = np.argsort(-self.probabilities, kind="stable")
        return [int(one) for one in order[: top or DEFAULT_TOP]]


class ClassifierModel(ImageModel):
    """One version of a model that classifies."""

    def __init__(self, version: LoadedVersion) -> None:
        super().__init__(version, SIGNATURE, CentreSquare)
        shape = self.output(OUTPUT).shape
        if len(shape) != 2:
            raise Precondition(
                f"model: {OUTPUT} of {self.manifest.name} is not of the shape [images, classes]"
            )
        self.require_labels(shape[1])

    async def classify(
        self, image: EncodedImage, reader: ImageReader, call: Call
    ) -> Classification:
        """What the middle of the image shows. Raises InvalidInput for one that cannot be read."""
        seen = await self.look(image, reader, call)
        return Classification(seen.outputs[OUTPUT], seen.timing)


def classifier_model(version: LoadedVersion) -> ClassifierModel:
    """A version as a model that classifies; raises Precondition when it is none."""
    return ClassifierModel(version)
