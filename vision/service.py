"""Answers mlmesh.v1.VisionService calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from mlmesh.inference.asked_model import asked_model
from mlmesh.inference.host import Host
from mlmesh.runtime.call import Call
from mlmesh.runtime.chain import Service
from mlmesh.runtime.instruments import Value
from mlmesh.runtime.outcomes import Outcome
from mlmesh.v1 import vision_pb2 as pb
from vision.batches import each_image
from vision.classification import classifier_model
from vision.detection import detector_model
from vision.frames import FrameStream
from vision.image_answers import AnswerLimits, ImageAnswers
from vision.image_model import ImageModel
from vision.image_reader import ImageReader
from vision.images import EncodedImage
from vision.replies import Reply, Result, results_of, signed, slowest
from vision.segmentation import segmenter_model

CONTRACT = pb.DESCRIPTOR.services_by_name["VisionService"]
STREAMS = {"StreamClassify": "Classify", "StreamDetect": "Detect"}

Model = TypeVar("Model", bound=ImageModel)


@dataclass(frozen=True, slots=True)
class OwnModels:
    """Names of the models that answer callers who name none; empty where nobody does."""

    classifier: str = "classifier"
    detector: str = "detector"
    segmenter: str = "segmenter"


class _Batch(Protocol):
    """What every batched request brings its images in."""

    @property
    def images(self) -> Sequence[bytes]: ...

    media_type: str


class VisionService:
    """own: the models of callers who name none."""

    def __init__(
        self, host: Host, reader: ImageReader, own: OwnModels, limits: AnswerLimits
    ) -> None:
        self._host = host
        self._own = own
        self._answers = ImageAnswers(reader, limits)

    async def Classify(self, request: pb.ClassifyRequest, call: Call) -> pb.ClassifyResponse:
        image = EncodedImage("image", request.image, request.media_type)
        with asked_model(self._host, request, self._own.classifier, classifier_model) as model:
            answer = self._answers.classified
            reply = await answer(image, pb.ClassifyResponse, model, request.top_k, call)
            return signed(reply.message, model.manifest, reply.timing, call)

    async def BatchClassify(
        self, request: pb.BatchClassifyRequest, call: Call
    ) -> pb.BatchClassifyResponse:
        with asked_model(self._host, request, self._own.classifier, classifier_model) as model:
            answer = partial(
                self._answers.classified,
                kind=pb.ClassifyResult, model=model, top=request.top_k, call=call,
            )  # fmt: skip
            found = await self._each(request, model, answer)
            response = pb.BatchClassifyResponse(results=results_of(pb.ClassifyResult, found))
            return signed(response, model.manifest, slowest(found), call)

    async def Detect(self, request: pb.DetectRequest, call: Call) -> pb.DetectResponse:
        image = EncodedImage("image", request.image, request.media_type)
        with asked_model(self._host, request, self._own.detector, detector_model) as model:
            answer = self._answers.detected
            reply = await answer(image, pb.DetectResponse, model, request, call)
            return signed(reply.message, model.manifest, reply.timing, call)

    async def BatchDetect(
        self, request: pb.BatchDetectRequest, call: Call
    ) -> pb.BatchDetectResponse:
        with asked_model(self._host, request, self._own.detector, detector_model) as model:
            answer = partial(
                self._answers.detected,
                kind=pb.DetectResult, model=model, options=request, call=call,
            )  # fmt: skip
            found = await self._each(request, model, answer)
            response = pb.BatchDetectResponse(results=results_of(pb.DetectResult, found))
            return signed(response, model.manifest, slowest(found), call)

    async def Segment(self, request: pb.SegmentRequest, call: Call) -> pb.SegmentResponse:
        image = EncodedImage("image", request.image, request.media_type)
        with asked_model(self._host, request, self._own.segmenter, segmenter_model) as model:
            answer = self._answers.segmented
            reply = await answer(image, pb.SegmentResponse, model, request, call)
            reply.message.labels.extend(model.manifest.labels)
            return signed(reply.message, model.manifest, reply.timing, call)

    async def BatchSegment(
        self, request: pb.BatchSegmentRequest, call: Call
    ) -> pb.BatchSegmentResponse:
        with asked_model(self._host, request, self._own.segmenter, segmenter_model) as model:
            answer = partial(
                self._answers.segmented,
                kind=pb.SegmentResult, model=model, options=request, call=call,
            )  # fmt: skip
            found = await self._each(request, model, answer)
            response = pb.BatchSegmentResponse(
                results=results_of(pb.SegmentResult, found), labels=model.manifest.labels
            )
            return signed(response, model.manifest, slowest(found), call)

    async def _each(
        self,
        request: _Batch,
        model: ImageModel,
        answer: Callable[[EncodedImage], Awaitable[Reply[Result]]],
    ) -> list[Outcome[Reply[Result]]]:
        images = [
            EncodedImage(f"images[{index}]", content, request.media_type)
            for index, content in enumerate(request.images)
        ]
        return await each_image(images, answer, model.ahead, self._answers.limits.answer_bytes)


def vision_service(
    host: Host,
    reader: ImageReader,
    own: OwnModels | None = None,
    limits: AnswerLimits | None = None,
    dropped: Value | None = None,
) -> Service:
    """VisionService for the models of `host`. dropped: counts the frames that are left out."""
    servicer = VisionService(host, reader, own or OwnModels(), limits or AnswerLimits())
    frames = partial(FrameStream, dropped=dropped or Value())
    return Service(CONTRACT, servicer, STREAMS, frames)
