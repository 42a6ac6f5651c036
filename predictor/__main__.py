"""`python -m predictor`: serve the tabular models until SIGTERM."""

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
from mlmesh.inference.settings import host_options
from mlmesh.inference.watch import watching
from mlmesh.runtime.chain import Service
from mlmesh.runtime.health import Health
from mlmesh.runtime.program import BadConfiguration, run_program
from mlmesh.runtime.serving import serve
from predictor.service import CONTRACT, predictor_service
from predictor.settings import PredictorSettings

PLAIN_GRAPH = ""


async def main(settings: PredictorSettings) -> None:
    names = [CONTRACT.full_name, OPEN_INFERENCE]
    await serve(settings, names, partial(open_services, settings), modality="tabular")


@asynccontextmanager
async def open_services(
    settings: PredictorSettings, registry: CollectorRegistry, health: Health
) -> AsyncIterator[Sequence[Service]]:
    """Load the models and give the services that answer for them."""
    options = host_options(settings, frozenset({CONTRACT.full_name, PLAIN_GRAPH}))
    show_gpus(registry)
    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(open_host(options, InferenceMetrics(registry)))
        default = host.models.get(settings.default_model)
        if default is None or not default.versions:
            raise BadConfiguration(
                f"MLMESH_DEFAULT_MODEL: no version of {settings.default_model!r} could be loaded "
                f"from {settings.models}"
            )
        await stack.enter_async_context(watching(host, settings.watch_seconds))
        predictor = predictor_service(
            host, max_rows=settings.max_batch, max_explained=settings.max_explained_features
        )
        yield [
            predictor,
            models_service(host, predictor.name),
            open_inference_service(host, lambda: health.ready),
        ]


if __name__ == "__main__":
    run_program(PredictorSettings, main)
