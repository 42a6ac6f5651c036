"""Runs a session on CUDA with its inputs and outputs bound to the device's memory.

ONNX Runtime's plain `run` copies each input by itself and waits for each output; bound, all copies
belong to the run. With CUDA graphs every shape keeps its buffers, for a recorded run reads and
writes the addresses that it was recorded with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from mlmesh.inference.device import Device
from mlmesh.inference.pinned import PinnedInputs, empty_on

GRAPH_ID = "gpu_graph_id"
MOST_GRAPHS = 64
"""Shapes that are recorded; further ones run without."""
NOT_RECORDED = "-1"


class CudaRunner:
    """Runs one session, from one thread at a time."""

    def __init__(self, session: Any, device: Device, *, graphs: bool = False) -> None:
        self._session = session
        self._device = device
        self._inputs = [given.name for given in session.get_inputs()]
        self._outputs = [output.name for output in session.get_outputs()]
        self._pinned = PinnedInputs(device)
        self._graphs = graphs
        self._recorded: dict[tuple[Any, ...], _Recorded] = {}

    def run(self, inputs: Mapping[str, NDArray[Any]], options: Any | None) -> list[NDArray[Any]]:
        # In the graph's order, for callers name them in any: one shape is recorded once.
        inputs = {name: np.ascontiguousarray(inputs[name]) for name in self._inputs}
        if not self._graphs:
            return self._run_bound(inputs, options)
        shapes = tuple(array.shape for array in inputs.values())
        recorded = self._recorded.get(shapes)
        if recorded is not None:
            return recorded.run(self._session, self._pinned, inputs, options)
        results = self._run_bound(inputs, not_recorded(options))
        if len(self._recorded) < MOST_GRAPHS:
            # What it gave tells the outputs' shapes; the next run of this shape is recorded.
            self._recorded[shapes] = self._buffers(inputs, results)
        return results

    def _run_bound(self, inputs: Mapping[str, NDArray[Any]], options: Any) -> list[NDArray[Any]]:
        binding = self._session.io_binding()
        for name, array in inputs.items():
            binding.bind_ortvalue_input(name, self._pinned.on_device(name, array))
        for name in self._outputs:
            binding.bind_output(name, "cuda", self._device.index)
        self._session.run_with_iobinding(binding, options)
        results: list[NDArray[Any]] = binding.copy_outputs_to_cpu()
        return results

    def _buffers(
        self, inputs: Mapping[str, NDArray[Any]], results: list[NDArray[Any]]
    ) -> _Recorded:
        binding = self._session.io_binding()
        values = {name: empty_on(self._device, array) for name, array in inputs.items()}
        for name, value in values.items():
            binding.bind_ortvalue_input(name, value)
        for name, result in zip(self._outputs, results, strict=True):
            binding.bind_ortvalue_output(name, empty_on(self._device, result))
        return _Recorded(str(len(self._recorded) + 1), binding, values)


@dataclass(frozen=True, slots=True)
class _Recorded:
    """The buffers of one shape; recorded by the first run, replayed by the later ones."""

    graph: str
    binding: Any
    inputs: Mapping[str, Any]

    def run(
        self,
        session: Any,
        pinned: PinnedInputs,
        inputs: Mapping[str, NDArray[Any]],
        options: Any | None,
    ) -> list[NDArray[Any]]:
        for name, array in inputs.items():
            pinned.copy(name, array, self.inputs[name])
        options = options or ort.RunOptions()
        options.add_run_config_entry(GRAPH_ID, self.graph)
        session.run_with_iobinding(self.binding, options)
        results: list[NDArray[Any]] = self.binding.copy_outputs_to_cpu()
        return results


def not_recorded(options: Any | None) -> Any:
    """Options of one run that CUDA graphs are to leave alone, where a session records them."""
    options = options or ort.RunOptions()
    options.add_run_config_entry(GRAPH_ID, NOT_RECORDED)
    return options
