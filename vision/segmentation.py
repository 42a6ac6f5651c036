"""Which pixels of an image belong to what."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mlmesh.inference.version import LoadedVersion
from mlmesh.runtime.call import Call
from mlmesh.runtime.errors import Precondition
from vision.framing import Letterbox, Mask, Placement
from vision.image_model import ImageModel, Seen, Signature, Timing
from vision.image_reader import ImageReader
from vision.images import CheckedImage, EncodedImage
from vision.palette import mask_palette
from vision.run_lengths import Counts, run_lengths

MASK, CONFIDENCE = "mask", "mask_confidence"
SIGNATURE = Signature("segmentation", frozenset({MASK, CONFIDENCE}))
COMPRESSION = 3
"""Of masks as PNG: the fastest of the levels; 6 takes four times as long and saves a quarter."""

Confidences: TypeAlias = NDArray[np.float32]
"""float32 [height, width], 0 to 1"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a mask is to be told."""

    png: bool = True
    runs: bool = False


@dataclass(frozen=True, slots=True)
class Area:
    """The pixels of one class."""

    pixels: int
    confidence: float
    """The mean over these pixels; 0 where there are none."""


@dataclass(frozen=True, slots=True)
class Segmentation:
    """What every pixel of one image belongs to."""

    mask: Mask
    """uint8 [covered height, covered width], as the model gave it."""
    placement: Placement
    areas: list[Area]
    """Of every class."""
    png: bytes
    """The mask at the size of the upright original; empty unless wanted."""
    runs: list[Counts]
    """Of every class but the background, likewise."""
    image: CheckedImage
    timing: Timing


class SegmenterModel(ImageModel):
    """One version of a model that segments."""

    def __init__(self, version: LoadedVersion) -> None:
        super().__init__(version, SIGNATURE, Letterbox)
        square = (None, self.side, self.side)
        for name, dtype in ((MASK, "uint8"), (CONFIDENCE, "float32")):
            tensor = self.output(name)
            if tensor.shape != square or tensor.dtype != dtype:
                raise Precondition(
                    f"model: {name} of {self.manifest.name} is not {dtype} of the shape "
                    f"[images, {self.side}, {self.side}]"
                )

    async def segment(
        self, image: EncodedImage, wanted: Wanted, reader: ImageReader, call: Call
    ) -> Segmentation:
        """The mask of an image. Raises InvalidInput for one that cannot be read."""
        seen = await self.look(image, reader, call)
        return await reader.threads.beside(
            seen.framed.image.size.pixels, segmentation, seen, len(self.manifest.labels), wanted
        )


def segmenter_model(version: LoadedVersion) -> SegmenterModel:
    """A version as a model that segments; raises Precondition when it is none."""
    return SegmenterModel(version)


def segmentation(seen: Seen, classes: int, wanted: Wanted) -> Segmentation:
    """What the graph said of the pixels, at the original's size."""
    placement = seen.framed.placement
    covered = np.s_[: placement.covered_height, : placement.covered_width]
    # What a graph says beyond its labels is background, not a failure later on.
    said = seen.outputs[MASK][covered]
    mask = np.where(said < classes, said, 0).astype(np.uint8)
    return Segmentation(
        mask,
        placement,
        areas(mask, seen.outputs[CONFIDENCE][covered], placement, classes),
        png_of(placement.mask_in_original(mask)) if wanted.png else b"",
        run_lengths(_columns(mask, placement), classes) if wanted.runs else [],
        seen.framed.image,
        seen.timing,
    )


def areas(mask: Mask, confidences: Confidences, placement: Placement, classes: int) -> list[Area]:
    """How many pixels of the original each class has, and how sure they are.

    mask, confidences: what the original covers of the model's square. Every pixel of it counts as
    often as pixels of the original are nearest to it.
    """
    down = np.bincount(placement.rows, minlength=placement.covered_height)
    across = np.bincount(placement.columns, minlength=placement.covered_width)
    found = []
    for one in range(classes):
        inside = mask == one
        pixels = int(down @ inside @ across)
        sure = float(down @ np.where(inside, confidences, 0).astype(np.float64) @ across)
        found.append(Area(pixels, sure / pixels if pixels else 0.0))
    return found


def png_of(mask: Mask) -> bytes:
    """A mask as a PNG file: one byte for every pixel, and a palette."""
    picture = Image.fromarray(mask)
    picture.putpalette(mask_palette())
    file = BytesIO()
    picture.save(file, "PNG", bits=8, compress_level=COMPRESSION)
    return file.getvalue()


def _columns(mask: Mask, placement: Placement) -> Mask:
    """uint8 [width, height]: the mask of the original with its axes exchanged."""
    return mask.T[:, placement.rows][placement.columns]
