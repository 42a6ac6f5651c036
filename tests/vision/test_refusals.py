from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import pytest
from prometheus_client import CollectorRegistry

from mlmesh.inference.host import open_host
from mlmesh.inference.metrics import InferenceMetrics
from mlmesh.runtime.health import Health
from mlmesh.runtime.metrics import ServerMetrics
from mlmesh.runtime.server import running_server
from mlmesh.v1 import vision_pb2 as pb, vision_pb2_grpc as rpc
from tests.tiny_models import host_options
from tests.vision.pictures import encoded, plain
from tests.vision.tiny_images import write_classifier
from vision.image_reader import ImageReader
from vision.images import ImageLimits
from vision.service import OwnModels, vision_service
from vision.threads import image_threads

REDDISH = encoded(plain(40, 30, (200, 100, 0)))

REFUSALS: list[tuple[dict[str, Any], str, str]] = [
    ({}, "INVALID_ARGUMENT", "image: must be at least 1 bytes"),
    ({"image": b"hello"}, "INVALID_ARGUMENT", "image: this is text; send JPEG, PNG, WebP or BMP"),
    (
        {"image": REDDISH, "media_type": "image/jpeg"},
        "INVALID_ARGUMENT",
        "image: this is a PNG, but was declared as image/jpeg; declare what it is, or nothing",
    ),
    (
        {"image": b"GIF89a", "media_type": "image/png"},
        "INVALID_ARGUMENT",
        "image: this is a GIF, but was declared as image/png; declare what it is, or nothing",
    ),
    (
        {"image": REDDISH, "media_type": "image/tiff"},
        "INVALID_ARGUMENT",
        "media_type: 'image/tiff' is not read; send JPEG, PNG, WebP or BMP",
    ),
    (
        {"image": bytes(2**20 + 1)},
        "INVALID_ARGUMENT",
        "image: 1048577 bytes, the limit is 1048576; send it smaller, or have "
        "MLMESH_MAX_IMAGE_BYTES raised",
    ),
    (
        {"image": REDDISH, "top_k": 1001},
        "INVALID_ARGUMENT",
        "top_k: must be less than or equal to 1000",
    ),
    (
        {"image": REDDISH, "model": "classifyer"},
        "NOT_FOUND",
        "model: there is nothing named 'classifyer', did you mean 'classifier'?",
    ),
    (
        {"image": REDDISH, "model_version": "v9"},
        "NOT_FOUND",
        "model_version: classifier has nothing named 'v9', choose from v1.0, v2.0",
    ),
    (
        {"image": REDDISH, "model": "detector"},
        "FAILED_PRECONDITION",
        "model: detector is made for detection, not for classification; call it by the Open "
        "Inference Protocol, POST /v2/models/detector/infer",
    ),
]


@pytest.mark.parametrize(("fields", "code", "message"), REFUSALS)
async def test_refusals_name_the_field_and_the_remedy(
    vision: rpc.VisionServiceAsyncStub, fields: dict[str, Any], code: str, message: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await vision.Classify(pb.ClassifyRequest(**fields))

    assert (refused.value.code().name, refused.value.details()) == (code, message)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"min_confidence": 1.5}, "min_confidence"),
        ({"min_confidence": float("nan")}, "min_confidence"),
        ({"iou": -0.1}, "iou"),
        ({"max_detections": 1001}, "max_detections"),
    ],
)
async def test_thresholds_that_cannot_be_are_refused(
    vision: rpc.VisionServiceAsyncStub, fields: dict[str, Any], field: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await vision.Detect(pb.DetectRequest(image=REDDISH, **fields))

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert (refused.value.details() or "").startswith(f"{field}: must be")


DECLARED = [
    "image/png",
    "image/x-png",
    "IMAGE/PNG",
    "image/png; charset=x",
    "",
    "application/octet-stream",
]


@pytest.mark.parametrize("media_type", DECLARED)
async def test_what_an_image_is_declared_as_may_be_right_or_left_out(
    vision: rpc.VisionServiceAsyncStub, media_type: str
) -> None:
    reply = await vision.Classify(pb.ClassifyRequest(image=REDDISH, media_type=media_type))

    assert getattr(reply.predictions[0], "class") == "red"


async def test_a_caller_chooses_the_version(vision: rpc.VisionServiceAsyncStub) -> None:
    reply = await vision.Classify(pb.ClassifyRequest(image=REDDISH, model_version="v1.0"))

    assert reply.model_version == "v1.0"


async def test_a_version_whose_graph_reads_something_else_is_refused(tmp_path: Path) -> None:
    write_classifier(tmp_path)
    services = frozenset({"mlmesh.v1.VisionService"})
    options = host_options(tmp_path, "", services=services, trial=None)
    metrics = ServerMetrics(CollectorRegistry(), "image")
    async with (
        open_host(options, InferenceMetrics(CollectorRegistry())) as host,
        image_threads(1, 10**6) as threads,
    ):
        own = OwnModels(classifier="", detector="classifier")
        service = vision_service(host, ImageReader(ImageLimits(), threads), own)
        async with (
            running_server("127.0.0.1:0", [service], metrics, Health([])) as port,
            grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
        ):
            stub = rpc.VisionServiceStub(channel)
            with pytest.raises(grpc.aio.AioRpcError) as unnamed:
                await stub.Classify(pb.ClassifyRequest(image=REDDISH))
            with pytest.raises(grpc.aio.AioRpcError) as wrong:
                await stub.Detect(pb.DetectRequest(image=REDDISH))

    assert unnamed.value.code() is grpc.StatusCode.UNAVAILABLE
    assert unnamed.value.details() == "model: this service has none of its own for this, name one"
    assert wrong.value.code() is grpc.StatusCode.FAILED_PRECONDITION
