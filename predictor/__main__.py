"""`python -m predictor`: serve the tabular models until SIGTERM."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from prometheus_client import CollectorRegistry

from mlmesh.inference.host import HostOptions, open_host
from mlmesh.inference.models_service import models_service
from mlmesh.inference.provider import providers_for
from mlmesh.inference.session import SessionOptions
from mlmesh.inference.trial import TrialLimits
from mlmesh.runtime.chain import Service
from mlmesh.runtime.metrics import InferenceMetrics
from mlmesh.runtime.program import BadConfiguration, run_program
from mlmesh.runtime.serving import serve
from predictor.service import CONTRACT, predictor_service
from predictor.settings import PredictorSettings


async def main(settings: PredictorSettings) -> None:
    await serve(
        settings, [CONTRACT.full_name], partial(open_services, settings), modality="tabular"
    )


@asynccontextmanager
async def open_services(
    settings: PredictorSettings, registry: CollectorRegistry
) -> AsyncIterator[Sequence[Service]]:
    """Load the models and give the services that answer for them."""
    options = HostOptions(
        session=SessionOptions(providers_for(settings.provider), settings.threads),
        max_batch=settings.max_batch,
        max_waiting=settings.max_waiting,
        trial=TrialLimits(settings.trial_seconds, settings.trial_memory_bytes),
    )
    observe = InferenceMetrics(registry).observe
    async with open_host(settings.models, settings.default_model, options, observe) as host:
        default = host.models.get(settings.default_model)
        if default is None or not default.versions:
            raise BadConfiguration(
                f"MLMESH_DEFAULT_MODEL: no version of {settings.default_model!r} could be loaded "
                f"from {settings.models}"
            )
        predictor = predictor_service(
            host, max_rows=settings.max_batch, max_explained=settings.max_explained_features
        )
        yield [predictor, models_service(host, predictor.name)]


if __name__ == "__main__":
    run_program(PredictorSettings, main)
