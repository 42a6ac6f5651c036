"""Settings of the nlp service."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from mlmesh.inference.settings import ModelServiceSettings
from mlmesh.runtime.settings import Address


class NlpSettings(ModelServiceSettings):
    """What the nlp service is told."""

    grpc_address: Address = "127.0.0.1:50052"
    """Where the service answers gRPC."""
    health_address: Address = "127.0.0.1:50062"
    """Where the service answers gRPC health probes, always in plaintext."""
    metrics_address: Address = "127.0.0.1:9102"
    """Where the service shows /metrics."""
    models: Path = Path(__file__).parent / "models"
    """Folder of the models that come with the service, `<model>/<version>/`."""
    batches_ahead: int = Field(default=1, ge=0, le=8)
    """Batches that wait for each instance on a CPU, so that it never waits for the next one; what
    is more urgent does not overtake them. On CUDA batches fill up instead."""
    sentiment_model: str = "sentiment"
    """The model that answers for sentiment when a caller names none; empty: nobody does."""
    entities_model: str = "entities"
    """The model that finds names when a caller names none; empty: nobody does."""
    embeddings_model: str = "embeddings"
    """The model that embeds, compares and summarises when a caller names none; likewise."""
    max_text_bytes: int = Field(default=2**20, ge=1)
    """Longest text, in bytes of UTF-8."""
    max_batch_text_bytes: int = Field(default=8 * 2**20, ge=1)
    """Longest texts of one batched request, together."""
    max_sentences: int = Field(default=16_384, ge=1)
    """Most sentences of a text whose sentences are each answered for, or summarised."""
