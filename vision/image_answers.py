"""The answer for one image, alone or of a batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Concatenate, ParamSpec, TypeAlias

from mlmesh.runtime.call import Call
from mlmesh.v1 import vision_pb2 as pb
from vision.classification import ClassifierModel
from vision.detection import DetectorModel
from vision.image_reader import ImageReader
from vision.images import CheckedImage, EncodedImage
from vision.overlays import Canvas, Encoding, draw_boxes, draw_mask
from vision.replies import (
    Classified,
    Detected,
    Reply,
    Segmented,
    put_classes,
    put_detections,
    put_segmentation,
)
from vision.segmentation import SegmenterModel, Wanted
from vision.suppression import Thresholds

DetectOptions: TypeAlias = pb.DetectRequest | pb.BatchDetectRequest
SegmentOptions: TypeAlias = pb.SegmentRequest | pb.BatchSegmentRequest

Arguments = ParamSpec("Arguments")


@dataclass(frozen=True, slots=True)
class AnswerLimits:
    """How large answers may be."""

    overlay_side: int = 1280
    """Longer side of a picture that is drawn."""
    answer_bytes: int = 32 * 2**20
    """Of the answers for all images of a request."""


@dataclass(frozen=True, slots=True)
class ImageAnswers:
    """Looks at images, and says what was found in messages of either kind, alone or of a batch."""

    reader: ImageReader
    limits: AnswerLimits

    async def classified(
        self,
        image: EncodedImage,
        kind: type[Classified],
        model: ClassifierModel,
        top: int,
        call: Call,
    ) -> Reply[Classified]:
        """What an image shows. Raises InvalidInput, and what running a model does."""
        found = await model.classify(image, self.reader, call)
        message = kind()
        put_classes(message, found, model.manifest.labels, top)
        return Reply(message, found.timing)

    async def detected(
        self,
        image: EncodedImage,
        kind: type[Detected],
        model: DetectorModel,
        options: DetectOptions,
        call: Call,
    ) -> Reply[Detected]:
        """What is in an image, and where. Raises likewise."""
        found = await model.detect(image, thresholds_of(options), self.reader, call)
        message = kind()
        labels = model.manifest.labels
        put_detections(message, found, labels)
        if options.overlay:
            message.overlay = await self._drawn(
                found.image, draw_boxes, found.things, labels, self._canvas(options.overlay)
            )
        return Reply(message, found.timing)

    async def segmented(
        self,
        image: EncodedImage,
        kind: type[Segmented],
        model: SegmenterModel,
        options: SegmentOptions,
        call: Call,
    ) -> Reply[Segmented]:
        """What the pixels of an image belong to. Raises likewise."""
        found = await model.segment(image, wanted_of(options), self.reader, call)
        message = kind()
        # Run lengths can be a million numbers.
        await self.reader.threads.beside(0, put_segmentation, message, found, model.manifest.labels)
        if options.overlay:
            message.overlay = await self._drawn(
                found.image,
                draw_mask,
                found.mask,
                model.manifest.labels,
                self._canvas(options.overlay),
            )
        return Reply(message, found.timing)

    async def _drawn(
        self,
        image: CheckedImage,
        draw: Callable[Concatenate[CheckedImage, Arguments], bytes],
        *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> bytes:
        """A picture of what was found, drawn in a thread: the image is decoded again for it."""
        return await self.reader.threads.beside(image.size.pixels, draw, image, *arguments, **named)

    def _canvas(self, overlay: pb.OverlayFormat.ValueType) -> Canvas:
        encoding: Encoding = "JPEG" if overlay == pb.OVERLAY_FORMAT_JPEG else "PNG"
        return Canvas(encoding, self.limits.overlay_side)


def thresholds_of(options: DetectOptions) -> Thresholds:
    """What a caller wants named; what was not said is as usual."""
    usual = Thresholds()
    return Thresholds(
        options.min_confidence if options.HasField("min_confidence") else usual.min_confidence,
        options.iou if options.HasField("iou") else usual.iou,
        options.max_detections or usual.most,
    )


def wanted_of(options: SegmentOptions) -> Wanted:
    """How a caller wants a mask told."""
    encoding = options.encoding
    return Wanted(
        png=encoding != pb.MASK_ENCODING_RUN_LENGTHS,
        runs=encoding in (pb.MASK_ENCODING_RUN_LENGTHS, pb.MASK_ENCODING_BOTH),
    )
