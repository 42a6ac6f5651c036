"""What every answer of a service's own contract ends with."""

from __future__ import annotations

from typing import Protocol

from mlmesh.registry.manifest import Manifest
from mlmesh.runtime.call import Call


class Signed(Protocol):
    """Such an answer."""

    model: str
    model_version: str
    model_digest: str
    inference_time_ms: float
    request_id: str


def sign(response: Signed, manifest: Manifest, seconds: float, call: Call) -> None:
    """Write what an answer comes from. seconds: how long the model ran."""
    response.model = manifest.name
    response.model_version = manifest.version
    response.model_digest = manifest.digest
    response.inference_time_ms = round(seconds * 1000, 3)
    response.request_id = call.request_id
