"""Settings of the vision service."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from mlmesh.inference.settings import ModelServiceSettings
from mlmesh.runtime.settings import Address


class VisionSettings(ModelServiceSettings):
    """What the vision service is told."""

    grpc_address: Address = "127.0.0.1:50053"
    """Where the service answers gRPC."""
    health_address: Address = "127.0.0.1:50063"
    """Where the service answers gRPC health probes, always in plaintext."""
    metrics_address: Address = "127.0.0.1:9103"
    """Where the service shows /metrics."""
    models: Path = Path(__file__).parent / "models"
    """Folder of the models that come with the service, `<model>/<version>/`."""
    classifier_model: str = "classifier"
    """The model that classifies when a caller names none; empty: nobody does."""
    detector_model: str = "detector"
    """The model that detects when a caller names none; likewise."""
    segmenter_model: str = "segmenter"
    """The model that segments when a caller names none; likewise."""
    max_image_bytes: int = Field(default=16 * 2**20, ge=1)
    """Largest image, in bytes of its file."""
    max_pixels: int = Field(default=50_000_000, ge=1, le=150_000_000)
    """Largest image, width times height."""
    max_side: int = Field(default=65_535, ge=1)
    """Largest width and height of an image."""
    decode_threads: int = Field(default=0, ge=0, le=256)
    """Threads that decode and draw images; 0: as many as there are cores."""
    max_decoding_pixels: int = Field(default=64_000_000, ge=1)
    """Pixels of all images that are decoded or drawn at once; others wait for their turn. A pixel
    takes 4 bytes, at most 24 (transparent WebP)."""
    max_overlay_side: int = Field(default=1280, ge=16, le=16_384)
    """Longer side of a picture that is drawn for a caller; larger images are made smaller."""
    max_answer_bytes: int = Field(default=32 * 2**20, ge=1024)
    """Answers for all images of one request, together; images beyond are refused."""
