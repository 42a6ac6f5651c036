"""Settings of the predictor."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from mlmesh.inference.provider import Choice
from mlmesh.runtime.settings import ServiceSettings


class PredictorSettings(ServiceSettings):
    """What the predictor is told."""

    models: Path = Path(__file__).parent / "models"
    """Folder of the models, `<model>/<version>/`."""
    default_model: str = "penguins"
    """The model that answers when a caller names none."""
    provider: Choice = "auto"
    """What computes: "cuda", "cpu", or "auto" for CUDA where it works."""
    threads: int = Field(default=1, ge=1)
    """Threads within one operator of a model."""
    max_batch: int = Field(default=256, ge=1)
    """Largest number of rows that one model run takes."""
    max_waiting: int = Field(default=8192, ge=1)
    """Rows that may wait for a model; the next ones are refused at once."""
    trial_seconds: float = Field(default=60.0, gt=0)
    """Seconds that loading a model version may take; a process apart tries it first."""
    trial_memory_bytes: int = Field(default=8 * 2**30, ge=2**30)
    """Address space that this process may take (not limited on CUDA)."""
    max_explained_features: int = Field(default=256, ge=1)
    """Most features that a model may have for Explain."""
