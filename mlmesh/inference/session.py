"""An ONNX graph, open and ready to run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from mlmesh.inference.provider import CPU
from mlmesh.registry.manifest import Tensor

Array = NDArray[Any]
Arrays = Mapping[str, Array]

_DTYPES = {
    "tensor(bool)": "bool",
    "tensor(float16)": "float16",
    "tensor(bfloat16)": "bfloat16",
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(string)": "string",
    **{f"tensor(int{bits})": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"tensor(uint{bits})": f"uint{bits}" for bits in (8, 16, 32, 64)},
}


RunOptions: TypeAlias = Any
"""onnxruntime.RunOptions, which has no types."""


def stoppable() -> RunOptions:
    """Options of one run; setting `terminate` on them ends it within milliseconds."""
    options = ort.RunOptions()
    options.log_severity_level = 4  # that a run was stopped is not news
    return options


class BadGraph(Exception):
    """ONNX Runtime does not take the graph; the message says why."""


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """How a graph is run."""

    providers: Sequence[str] = (CPU,)
    """ONNX Runtime providers to ask for, best first; see `providers_for`."""
    threads: int = 1
    """Threads within one operator. Several services share a small machine: one each by default."""


class Session:
    """Runs one graph. `run` may be called from any thread."""

    def __init__(self, graph: bytes, options: SessionOptions) -> None:
        """Open a serialised graph; raises BadGraph."""
        settings = ort.SessionOptions()
        settings.intra_op_num_threads = options.threads
        settings.inter_op_num_threads = 1
        settings.log_severity_level = 3
        # A thread that spins while it waits takes a core from the neighbours.
        settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = ort.InferenceSession(graph, settings, providers=list(options.providers))
        except Exception as error:  # ONNX Runtime's exceptions share no base of their own.
            raise BadGraph((str(error).splitlines() or [type(error).__name__])[0]) from error
        self.provider: str = self._session.get_providers()[0]
        self.inputs = tuple(_tensor(node) for node in self._session.get_inputs())
        self.outputs = tuple(_tensor(node) for node in self._session.get_outputs())
        self._output_names = [tensor.name for tensor in self.outputs]

    def run(self, inputs: Arrays, options: RunOptions | None = None) -> dict[str, Array]:
        """Every output of the graph, by name."""
        results = self._session.run(self._output_names, dict(inputs), options)
        return dict(zip(self._output_names, results, strict=True))

    def warm_up(self, batch: int) -> None:
        """Run once on zeros, so that the first caller does not pay for the graph's preparations."""
        self.run({tensor.name: _zeros(tensor, batch) for tensor in self.inputs})


def _tensor(node: Any) -> Tensor:
    if node.type not in _DTYPES:
        raise BadGraph(f"{node.name} is a {node.type}, only tensors are served")
    shape = tuple(size if isinstance(size, int) else None for size in node.shape)
    return Tensor.model_validate({"name": node.name, "dtype": _DTYPES[node.type], "shape": shape})


def _zeros(tensor: Tensor, batch: int) -> Array:
    shape = [batch if axis == 0 else size or 1 for axis, size in enumerate(tensor.shape)]
    if tensor.dtype == "string":
        return np.full(shape, "", dtype=object)
    return np.zeros(shape, dtype=tensor.dtype)
