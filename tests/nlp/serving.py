"""A real nlp service for any test."""

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
from nlp.service import CONTRACT, nlp_service
from nlp.texts import TextLimits
from tests.nlp.tiny_texts import write_embeddings, write_entities, write_sentiment
from tests.tiny_models import host_options

LIMITS = TextLimits(text_bytes=2**18, batch_bytes=2**19, sentences=4000)


def write_text_models(root: Path) -> None:
    """sentiment v1.0 and v2.0, entities, embeddings."""
    write_sentiment(root)
    write_sentiment(root, "v2.0")
    write_entities(root)
    write_embeddings(root)


@asynccontextmanager
async def text_hosting(root: Path) -> AsyncIterator[Host]:
    services = frozenset({CONTRACT.full_name})
    options = host_options(root, "", services=services, trial=None)
    async with open_host(options, InferenceMetrics(CollectorRegistry())) as host:
        yield host


@asynccontextmanager
async def serving_nlp(host: Host) -> AsyncIterator[int]:
    """Serves the models of a host, and gives the port."""
    nlp = nlp_service(host, limits=LIMITS)
    services = [nlp, models_service(host, nlp.name)]
    metrics = ServerMetrics(CollectorRegistry(), "text")
    async with running_server("127.0.0.1:0", services, metrics, Health([nlp.name])) as port:
        yield port
