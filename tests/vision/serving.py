"""A real vision service for any test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry

from mlmesh.inference.host import Host, open_host
from mlmesh.inference.metrics import InferenceMetrics
from mlmesh.inference.models_service import models_service
from mlmesh.runtime.health import Health
from mlmesh.runtime.metrics import ServerMetrics
from mlmesh.runtime.server import running_server
from tests.tiny_models import host_options
from tests.vision.tiny_images import write_classifier, write_detector, write_segmenter
from vision.image_answers import AnswerLimits
from vision.image_reader import ImageReader
from vision.images import ImageLimits
from vision.service import CONTRACT, vision_service
from vision.threads import image_threads

LIMITS = ImageLimits(image_bytes=2**20, pixels=2_000_000, side=65_535)
ANSWERS = AnswerLimits(overlay_side=400, answer_bytes=2**20)


def write_image_models(root: Path) -> None:
    """classifier v1.0 and v2.0, detector, segmenter."""
    write_classifier(root)
    write_classifier(root, version="v2.0")
    write_detector(root)
    write_segmenter(root)


@asynccontextmanager
async def image_hosting(root: Path) -> AsyncIterator[Host]:
    services = frozenset({CONTRACT.full_name})
    options = host_options(root, "", services=services, trial=None)
    async with open_host(options, InferenceMetrics(CollectorRegistry())) as host:
        yield host


@asynccontextmanager
async def serving_vision(
    host: Host, limits: ImageLimits = LIMITS, answers: AnswerLimits = ANSWERS
) -> AsyncIterator[int]:
    """Serves the models of a host, and gives the port."""
    metrics = ServerMetrics(CollectorRegistry(), "image")
    async with image_threads(2, 2 * limits.pixels) as threads:
        vision = vision_service(host, ImageReader(limits, threads), limits=answers)
        services = [vision, models_service(host, vision.name)]
        async with running_server("127.0.0.1:0", services, metrics, Health([vision.name])) as port:
            yield port
