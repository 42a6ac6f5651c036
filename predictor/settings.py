"""Settings of the predictor."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from mlmesh.inference.settings import ModelServiceSettings


class PredictorSettings(ModelServiceSettings):
    """What the predictor is told."""

    models: Path = Path(__file__).parent / "models"
    """Folder of the models that come with the service, `<model>/<version>/`."""
    default_model: str = "penguins"
    """The model that answers when a caller names none."""
    max_batch: int = Field(default=256, ge=1)
    """Largest number of rows that one model run takes."""
    max_waiting: int = Field(default=8192, ge=1)
    """Rows that may wait for a model; the next ones are refused at once."""
    max_explained_features: int = Field(default=256, ge=1)
    """Most features that a model may have for Explain."""
