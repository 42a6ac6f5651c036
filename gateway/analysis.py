"""An analysis: one request that several services answer side by side, under one deadline.

Each part of its answer has a status of its own, so that a service which is away, or slow, costs its
own parts and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import DecodeError, Message

from gateway.beside import beside_if
from gateway.mesh import Mesh
from mlmesh.runtime.call import Call
from mlmesh.runtime.contracts import Method, methods_of
from mlmesh.runtime.errors import DeadlineExceeded, InternalError, InvalidInput, ServingError
from mlmesh.v1 import gateway_pb2 as pb, nlp_pb2, predictor_pb2, vision_pb2

ANSWER_SHARE = 0.1
ANSWER_SECONDS = 0.1
LARGE_BYTES = 2**20

Ask = Callable[[pb.AnalyzeRequest], Message]


@dataclass(frozen=True, slots=True)
class Part:
    """What is asked of one service."""

    field: str
    """Where its answer stands."""
    method: Method
    input: str
    """What it is about."""
    ask: Ask
    usual: bool
    """Whether it is asked for when the caller names nothing."""


class Analyses:
    """Asks the services of `mesh`."""

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh

    async def answer(self, request: pb.AnalyzeRequest, call: Call) -> pb.AnalyzeResponse:
        """A part for everything that was asked, whatever became of it.

        Raises InvalidInput when nothing was sent, or not what an analysis is about.
        """
        parts = parts_of(request)
        left = call.remaining
        # What came back has to be written and sent before the caller gives up.
        call = call.within(left - min(ANSWER_SECONDS, ANSWER_SHARE * left))
        response = pb.AnalyzeResponse(request_id=call.request_id)
        tasks = {part.field: asyncio.create_task(self._ask(part, request, call)) for part in parts}
        try:
            await asyncio.wait(tasks.values(), timeout=max(0.0, call.remaining))
            for field, task in tasks.items():
                _fill(getattr(response, field), task)
        finally:
            await _end(tasks.values())
        return response

    async def _ask(self, part: Part, request: pb.AnalyzeRequest, call: Call) -> bytes:
        question = part.ask(request)
        heavy = len(request.image) >= LARGE_BYTES
        sent = await beside_if(heavy, question.SerializeToString)
        return await self._mesh.answer(part.method, sent, call)


def parts_of(request: pb.AnalyzeRequest) -> list[Part]:
    """What a request asks for. Raises InvalidInput."""
    given = _inputs(request)
    if not given:
        raise InvalidInput(
            "text", "send text, image, features or named_features, at least one of them"
        )
    if not request.analyses:
        return [part for part in PARTS.values() if part.usual and part.input in given]
    for index, analysis in enumerate(request.analyses):
        part = PARTS[analysis]
        if part.input not in given:
            name = pb.Analysis.Name(analysis)
            raise InvalidInput(f"analyses[{index}]", f"{name} is about {part.input}: send it, too")
    return [PARTS[analysis] for analysis in request.analyses]


def _inputs(request: pb.AnalyzeRequest) -> set[str]:
    given = {
        "text": bool(request.text),
        "image": bool(request.image),
        "features": bool(request.features or request.named_features),
    }
    return {name for name, there in given.items() if there}


def _fill(part: Any, task: asyncio.Task[bytes]) -> None:
    """Put into a part of the answer what became of it."""
    if not task.done():
        late = DeadlineExceeded("the deadline passed before the answer was ready")
        part.status.CopyFrom(late.status())
        return
    try:
        part.response.ParseFromString(task.result())
        part.status.SetInParent()
    except ServingError as error:
        part.status.CopyFrom(error.status())
    except DecodeError:
        part.ClearField("response")
        part.status.CopyFrom(InternalError().status())


async def _end(tasks: Collection[asyncio.Task[bytes]]) -> None:
    """Nobody waits for what is still under way; its service is told."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _of_text(kind: type[Message]) -> Ask:
    return lambda request: kind(text=request.text)


def _of_image(kind: type[Message]) -> Ask:
    return lambda request: kind(image=request.image, media_type=request.media_type)


def _of_features(request: pb.AnalyzeRequest) -> Message:
    return predictor_pb2.PredictRequest(
        model=request.model,
        model_version=request.model_version,
        features=request.features,
        named_features=request.named_features,
    )


def _methods(service: ServiceDescriptor) -> Mapping[str, Method]:
    return {method.name: method for method in methods_of(service)}


_NLP = _methods(nlp_pb2.DESCRIPTOR.services_by_name["NlpService"])
_VISION = _methods(vision_pb2.DESCRIPTOR.services_by_name["VisionService"])
_PREDICTOR = _methods(predictor_pb2.DESCRIPTOR.services_by_name["PredictorService"])


def _text_part(field: str, name: str, usual: bool) -> Part:
    method = _NLP[name]
    return Part(field, method, "text", _of_text(method.request), usual)


def _image_part(field: str, name: str, usual: bool) -> Part:
    method = _VISION[name]
    return Part(field, method, "image", _of_image(method.request), usual)


PARTS: dict[int, Part] = {
    pb.ANALYSIS_SENTIMENT: _text_part("sentiment", "AnalyzeSentiment", True),
    pb.ANALYSIS_ENTITIES: _text_part("entities", "RecognizeEntities", True),
    pb.ANALYSIS_SUMMARY: _text_part("summary", "Summarize", False),
    pb.ANALYSIS_EMBEDDING: _text_part("embedding", "Embed", False),
    pb.ANALYSIS_CLASSIFICATION: _image_part("classification", "Classify", True),
    pb.ANALYSIS_DETECTION: _image_part("detection", "Detect", False),
    pb.ANALYSIS_SEGMENTATION: _image_part("segmentation", "Segment", False),
    pb.ANALYSIS_PREDICTION: Part(
        "prediction", _PREDICTOR["Predict"], "features", _of_features, True
    ),
}
