"""`python -m vision`: serve the models of images until SIGTERM."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from prometheus_client import CollectorRegistry

from mlmesh.inference.gpu import show_gpus
from mlmesh.inference.host import open_host
from mlmesh.inference.metrics import InferenceMetrics
from mlmesh.inference.models_service import models_service
from mlmesh.inference.open_inference.service import NAME as OPEN_INFERENCE, open_inference_service
from mlmesh.inference.required_models import require_models
from mlmesh.inference.settings import host_options
from mlmesh.inference.watch import watching
from mlmesh.runtime.chain import Service
from mlmesh.runtime.health import Health
from mlmesh.runtime.instruments import Counter
from mlmesh.runtime.program import run_program
from mlmesh.runtime.serving import serve
from vision.image_answers import AnswerLimits
from vision.image_reader import ImageReader
from vision.images import ImageLimits
from vision.service import CONTRACT, OwnModels, vision_service
from vision.settings import VisionSettings
from vision.threads import image_threads

OWN_MODELS = ("classifier_model", "detector_model", "segmenter_model")


async def main(settings: VisionSettings) -> None:
    names = [CONTRACT.full_name, OPEN_INFERENCE]
    await serve(settings, names, partial(open_services, settings), modality="image")


@asynccontextmanager
async def open_services(
    settings: VisionSettings, registry: CollectorRegistry, health: Health
) -> AsyncIterator[Sequence[Service]]:
    """Load the models and give the services that answer for them."""
    options = host_options(settings, frozenset({CONTRACT.full_name}))
    show_gpus(registry)
    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(open_host(options, InferenceMetrics(registry)))
        require_models(host, settings, OWN_MODELS)
        await stack.enter_async_context(watching(host, settings.watch_seconds))
        threads = await stack.enter_async_context(
            image_threads(
                settings.decode_threads or os.cpu_count() or 1, settings.max_decoding_pixels
            )
        )
        limits = ImageLimits(settings.max_image_bytes, settings.max_pixels, settings.max_side)
        own = OwnModels(
            settings.classifier_model, settings.detector_model, settings.segmenter_model
        )
        vision = vision_service(
            host,
            ImageReader(limits, threads),
            own,
            AnswerLimits(settings.max_overlay_side, settings.max_answer_bytes),
            Counter(
                registry,
                "video_frames_dropped_total",
                "Frames of videos that were not looked at, for a newer one came.",
            ).series(),
        )
        yield [
            vision,
            models_service(host, vision.name),
            open_inference_service(host, lambda: health.ready),
        ]


if __name__ == "__main__":
    run_program(VisionSettings, main)
