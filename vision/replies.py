"""What was found in an image, as the contract says it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeAlias, TypeVar

from google.rpc import status_pb2

from mlmesh.inference.signing import Signed, sign
from mlmesh.registry.manifest import Manifest
from mlmesh.runtime.call import Call
from mlmesh.runtime.errors import ServingError
from mlmesh.runtime.outcomes import Outcome
from mlmesh.v1 import vision_pb2 as pb
from vision.classification import Classification
from vision.detection import Detections
from vision.image_model import Timing
from vision.segmentation import Segmentation

Classified = TypeVar("Classified", pb.ClassifyResponse, pb.ClassifyResult)
Detected = TypeVar("Detected", pb.DetectResponse, pb.DetectResult)
Segmented = TypeVar("Segmented", pb.SegmentResponse, pb.SegmentResult)
Result = TypeVar("Result", pb.ClassifyResult, pb.DetectResult, pb.SegmentResult)
Answer: TypeAlias = (
    pb.ClassifyResponse
    | pb.ClassifyResult
    | pb.DetectResponse
    | pb.DetectResult
    | pb.SegmentResponse
    | pb.SegmentResult
)
Message = TypeVar("Message", bound=Answer)


class _Signed(Signed, Protocol):
    """What every answer ends with."""

    decode_time_ms: float


Response = TypeVar("Response", bound=_Signed)


@dataclass(frozen=True, slots=True)
class Reply(Generic[Message]):
    """What is said of one image, and what finding it took."""

    message: Message
    timing: Timing

    @property
    def nbytes(self) -> int:
        """What the message takes on the wire."""
        return self.message.ByteSize()


def signed(response: Response, manifest: Manifest, timing: Timing, call: Call) -> Response:
    """The same answer with what it comes from."""
    sign(response, manifest, timing.inference, call)
    response.decode_time_ms = round(timing.decoding * 1000, 3)
    return response


def results_of(kind: type[Result], outcomes: Sequence[Outcome[Reply[Result]]]) -> list[Result]:
    """A result with its status for every image."""
    results = []
    for outcome in outcomes:
        if isinstance(outcome, ServingError):
            results.append(kind(status=outcome.status()))
            continue
        outcome.message.status.CopyFrom(status_pb2.Status())
        results.append(outcome.message)
    return results


def slowest(outcomes: Sequence[Outcome[Reply[Result]]]) -> Timing:
    """The longest that any image of a batch took."""
    timings = [one.timing for one in outcomes if not isinstance(one, ServingError)]
    return Timing(
        max((one.decoding for one in timings), default=0.0),
        max((one.inference for one in timings), default=0.0),
    )


def put_classes(
    message: pb.ClassifyResponse | pb.ClassifyResult,
    found: Classification,
    labels: Sequence[str],
    top: int,
) -> None:
    """Write the `top` most likely classes; 0 means as many as usual."""
    for one in found.best(top):
        prediction = message.predictions.add(confidence=float(found.probabilities[one]))
        # A word of Python's own, so it cannot be written with a dot.
        setattr(prediction, "class", labels[one])


def put_detections(
    message: pb.DetectResponse | pb.DetectResult, found: Detections, labels: Sequence[str]
) -> None:
    things = found.things
    for box, score, one in zip(
        things.boxes.tolist(), things.scores.tolist(), things.classes.tolist(), strict=True
    ):
        x_min, y_min, x_max, y_max = box
        message.detections.add(
            label=labels[one],
            confidence=score,
            box=pb.Box(x_min=x_min, y_min=y_min, x_max=x_max, y_max=y_max),
        )
    message.width, message.height = found.width, found.height


def put_segmentation(
    message: pb.SegmentResponse | pb.SegmentResult, found: Segmentation, labels: Sequence[str]
) -> None:
    placement = found.placement
    message.width, message.height = placement.width, placement.height
    message.mask = found.png
    for at, (label, area) in enumerate(zip(labels, found.areas, strict=True)):
        message.areas.add(
            label=label,
            pixels=area.pixels,
            share=area.pixels / (placement.width * placement.height),
            confidence=area.confidence,
            run_lengths=found.runs[at - 1].tolist() if at and found.runs else (),
        )
