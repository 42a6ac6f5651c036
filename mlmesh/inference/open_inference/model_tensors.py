"""What a model version takes and gives, at hand for every request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlmesh.inference.version import LoadedVersion
from mlmesh.registry.manifest import Tensor


@dataclass(frozen=True, slots=True)
class ModelTensors:
    """The tensors of one version."""

    model: str
    version: str
    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]
    has_rows: bool
    """Whether the first axis of every input and output is one of rows."""
    max_rows: int
    """Most rows of one request."""
    of_one_length: frozenset[str]
    """Inputs whose second axes are equally long."""
    labels: Mapping[str, tuple[str, ...]]
    """Names of the classes, by the output that scores them."""


def tensors_of(loaded: LoadedVersion) -> ModelTensors:
    """Read them from the manifest; for LoadedVersion.view."""
    manifest = loaded.manifest
    lengths = manifest.batching.lengths
    return ModelTensors(
        model=manifest.name,
        version=manifest.version,
        inputs={tensor.name: tensor for tensor in manifest.inputs},
        outputs={tensor.name: tensor for tensor in manifest.outputs},
        has_rows=loaded.shaping.batched,
        max_rows=loaded.options.queue.max_waiting,
        of_one_length=frozenset(lengths.inputs if lengths else ()),
        labels={manifest.score_output.name: manifest.labels},
    )
