"""How a host holds its models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlmesh.inference.batcher import QueueLimits
from mlmesh.inference.device import Device
from mlmesh.inference.session import SessionOptions
from mlmesh.registry.private_copy import MAX_BYTES
from mlmesh.registry.signature import Trust

PREDICTOR = "mlmesh.v1.PredictorService"


@dataclass(frozen=True, slots=True)
class VersionOptions:
    """How one version is run."""

    session: SessionOptions = field(default_factory=SessionOptions)
    devices: tuple[Device, ...] = (Device(),)
    """One for every instance of the graph; they share one queue."""
    queue: QueueLimits = field(default_factory=QueueLimits)
    ahead: int = 0
    """Batches that are put together for each instance on a CPU while another one runs."""
    buckets: tuple[int, ...] = ()
    """Sizes that a batch is filled up to, ascending; empty: as the manifest says."""


@dataclass(frozen=True, slots=True)
class TrialLimits:
    """What loading and warming up one version may take."""

    seconds: float = 60.0
    """CPU time. It may take ten times as long when others keep the CPUs busy: they go first."""
    memory_bytes: int = 8 * 2**30
    """Address space of the child; not limited on CUDA, which reserves far more than it uses."""


@dataclass(frozen=True, slots=True)
class HostOptions:
    """Which models a host serves, and how."""

    roots: tuple[Path, ...]
    """Model repositories, `<root>/<model>/<version>/`. The last one can be added to: it is where
    defaults and labels are kept."""
    default_model: str = ""
    """The model that answers when a caller names none."""
    services: frozenset[str] = frozenset({"", PREDICTOR})
    """Whose models these are: the `service` of their manifests."""
    trust: Trust = field(default_factory=Trust)
    """Who vouches for a version that is to be loaded."""
    versions: VersionOptions = field(default_factory=VersionOptions)
    models: Mapping[str, VersionOptions] = field(default_factory=dict)
    """By model, where it differs."""
    trial: TrialLimits | None = field(default_factory=TrialLimits)
    """Limits of the process that loads each version first; None when they are known to be good."""
    max_bytes: int = MAX_BYTES
    """Largest version, all files together."""
    drain_seconds: float = 30.0
    """How long a version that is unloaded may go on with what it has begun."""

    def of(self, model: str) -> VersionOptions:
        """How the versions of one model are run."""
        return self.models.get(model, self.versions)
