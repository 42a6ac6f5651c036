"""Settings that every model service has, and what they mean for its host."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from mlmesh.inference.batcher import QueueLimits
from mlmesh.inference.device import Device, instances_of
from mlmesh.inference.options import HostOptions, TrialLimits, VersionOptions
from mlmesh.inference.provider import Choice, device_for, require_cuda
from mlmesh.inference.session import Optimisation, SessionOptions
from mlmesh.registry.keys import BadKey
from mlmesh.registry.pins import PINS_FILE, BadPins, read_pins
from mlmesh.registry.signature import Profile, Trust, trust_of
from mlmesh.runtime.program import BadConfiguration
from mlmesh.runtime.settings import ServiceSettings


def _ascending(sizes: tuple[int, ...]) -> tuple[int, ...]:
    if list(sizes) != sorted(set(sizes)) or (sizes and sizes[0] < 1):
        raise ValueError("sizes must be above 0 and ascend, for example [1, 4, 16]")
    return sizes


def _parsed(texts: tuple[str, ...]) -> tuple[str, ...]:
    instances_of(texts)
    return texts


Instances = Annotated[tuple[str, ...], AfterValidator(_parsed)]
Buckets = Annotated[tuple[int, ...], AfterValidator(_ascending)]


class ModelOptions(BaseModel):
    """What one model has otherwise than the rest; see the settings of these names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    instances: Instances | None = None
    threads: int | None = Field(default=None, ge=1, le=256)
    inter_op_threads: int | None = Field(default=None, ge=1, le=256)
    arena: bool | None = None
    optimisation: Optimisation | None = None
    cuda_graphs: bool | None = None
    max_batch: int | None = Field(default=None, ge=1)
    batches_ahead: int | None = Field(default=None, ge=0, le=8)
    batch_buckets: Buckets | None = None
    max_waiting: int | None = Field(default=None, ge=1)
    max_waiting_bytes: int | None = Field(default=None, ge=1)


class ModelServiceSettings(ServiceSettings):
    """What every model service is told of its models."""

    models: Path
    """Folder of the models that come with the service, `<model>/<version>/`."""
    repository: Path = Path("var/models")
    """Folder of the models that `mlmesh models register` adds; all services may share it."""
    keys: Path = Path("var/keys")
    """Folder of the public keys (`*.pub`) whose signatures are trusted."""
    profile: Profile = "development"
    """"production" refuses versions that a development key signed."""
    watch_seconds: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """Seconds between two looks for new, changed and removed versions; 0: only when asked to."""
    default_model: str = ""
    """The model that answers when a caller names none."""
    provider: Choice = "auto"
    """What computes: "cuda", "cpu", or "auto" for CUDA where it works."""
    instances: Instances = ()
    """Where the instances of every model run, as JSON: ["cuda:0 x2", "cuda:1"]; empty: one."""
    threads: int = Field(default=1, ge=1, le=256)
    """Threads within one operator of a model."""
    inter_op_threads: int = Field(default=1, ge=1, le=256)
    """Operators of a model that run side by side; more than 1 takes a core for all of every run."""
    arena: bool = True
    """Whether a model keeps the memory of a run for the next one."""
    optimisation: Optimisation = "all"
    """How far ONNX Runtime rewrites graphs: "none", "basic", "extended" or "all"."""
    cuda_graphs: bool = False
    """Whether runs are recorded and replayed on CUDA; use it with batch_buckets."""
    max_batch: int = Field(default=32, ge=1)
    """Largest number of rows that one model run takes."""
    batches_ahead: int = Field(default=0, ge=0, le=8)
    """Batches that wait for each instance on a CPU, so that it never waits for the next one; what
    is more urgent does not overtake them. On CUDA batches fill up instead."""
    batch_buckets: Buckets = ()
    """Sizes that batches are filled up to, as JSON: [1, 8, 32]; empty: as the manifest says."""
    max_waiting: int = Field(default=4096, ge=1)
    """Rows that may wait for a model; the next ones are refused at once."""
    max_waiting_bytes: int = Field(default=256 * 2**20, ge=1)
    """Bytes of inputs that may wait for a model, likewise."""
    model_options: dict[str, ModelOptions] = Field(default_factory=dict)
    """What single models have otherwise, as JSON: {"penguins": {"instances": ["cpu x2"]}}."""
    trial_seconds: float = Field(default=60.0, gt=0)
    """Seconds of CPU time that loading a model version may take; a process apart tries it first."""
    trial_memory_bytes: int = Field(default=8 * 2**30, ge=2**30)
    """Address space that this process may take (not limited on CUDA)."""
    max_model_bytes: int = Field(default=16 * 2**30, ge=1)
    """Largest model version, all its files together."""
    unload_seconds: float = Field(default=30.0, ge=0, allow_inf_nan=False)
    """Seconds that a version which is unloaded gets to end what it has begun."""


def host_options(settings: ModelServiceSettings, services: frozenset[str]) -> HostOptions:
    """What the settings say, for a host of the models of these services.

    Raises BadConfiguration when CUDA is asked for and not there, or keys cannot be read.
    """
    device = device_for(settings.provider)
    return HostOptions(
        roots=(settings.models, settings.repository),
        default_model=settings.default_model,
        services=services,
        trust=_trust(settings),
        versions=_version_options(settings, ModelOptions(), device),
        models={
            name: _version_options(settings, options, device)
            for name, options in settings.model_options.items()
        },
        trial=TrialLimits(settings.trial_seconds, settings.trial_memory_bytes),
        max_bytes=settings.max_model_bytes,
        drain_seconds=settings.unload_seconds,
    )


def _trust(settings: ModelServiceSettings) -> Trust:
    """Shipped models by the pins beside their folder, others by the keys."""
    pins = settings.models.parent / PINS_FILE
    try:
        pinned = read_pins(pins).values() if pins.exists() else ()
        return trust_of(settings.keys, settings.profile, pinned)
    except BadPins as error:
        raise BadConfiguration(f"MLMESH_MODELS: {error}") from None
    except BadKey as error:
        raise BadConfiguration(f"MLMESH_KEYS: {error}") from None


def _version_options(
    settings: ModelServiceSettings, special: ModelOptions, device: Device
) -> VersionOptions:
    said = {**_common(settings), **special.model_dump(exclude_none=True)}
    devices = instances_of(said["instances"]) or (device,)
    require_cuda(devices, "MLMESH_MODEL_OPTIONS" if special.instances else "MLMESH_INSTANCES")
    return VersionOptions(
        session=SessionOptions(
            threads=said["threads"],
            inter_op_threads=said["inter_op_threads"],
            arena=said["arena"],
            optimisation=said["optimisation"],
            cuda_graphs=said["cuda_graphs"],
        ),
        devices=devices,
        queue=QueueLimits(said["max_batch"], said["max_waiting"], said["max_waiting_bytes"]),
        ahead=said["batches_ahead"],
        buckets=tuple(said["batch_buckets"]),
    )


def _common(settings: ModelServiceSettings) -> dict[str, object]:
    return {name: getattr(settings, name) for name in ModelOptions.model_fields}
