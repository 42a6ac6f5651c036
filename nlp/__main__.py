"""`python -m nlp`: serve the models of English text until SIGTERM."""

from __future__ import annotations

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
from mlmesh.runtime.program import run_program
from mlmesh.runtime.serving import serve
from nlp.service import CONTRACT, OwnModels, nlp_service
from nlp.settings import NlpSettings
from nlp.texts import TextLimits

OWN_MODELS = ("sentiment_model", "entities_model", "embeddings_model")


async def main(settings: NlpSettings) -> None:
    names = [CONTRACT.full_name, OPEN_INFERENCE]
    await serve(settings, names, partial(open_services, settings), modality="text")


@asynccontextmanager
async def open_services(
    settings: NlpSettings, registry: CollectorRegistry, health: Health
) -> AsyncIterator[Sequence[Service]]:
    """Load the models and give the services that answer for them."""
    options = host_options(settings, frozenset({CONTRACT.full_name}))
    show_gpus(registry)
    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(open_host(options, InferenceMetrics(registry)))
        require_models(host, settings, OWN_MODELS)
        await stack.enter_async_context(watching(host, settings.watch_seconds))
        own = OwnModels(
            settings.sentiment_model, settings.entities_model, settings.embeddings_model
        )
        limits = TextLimits(
            settings.max_text_bytes, settings.max_batch_text_bytes, settings.max_sentences
        )
        nlp = nlp_service(host, own, limits)
        yield [
            nlp,
            models_service(host, nlp.name),
            open_inference_service(host, lambda: health.ready),
        ]


if __name__ == "__main__":
    run_program(NlpSettings, main)
