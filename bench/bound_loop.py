"""ONNX Runtime by itself, with inputs and outputs bound to the device: what there is to reach."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import onnxruntime as ort

from mlmesh.inference.device import Device
from mlmesh.inference.session import Arrays, SessionOptions, session_settings


class BoundLoop:
    """Runs one batch again and again in buffers of the device that are never freed."""

    def __init__(
        self, graph: bytes, options: SessionOptions, device: Device, inputs: Arrays
    ) -> None:
        self._session = ort.InferenceSession(
            graph,
            session_settings(options),
            providers=device.providers(graphs=options.cuda_graphs),
        )
        self._inputs = inputs
        self._buffers: Mapping[str, Any] = {
            name: ort.OrtValue.ortvalue_from_numpy(array, device.kind, device.index)
            for name, array in inputs.items()
        }
        self._binding = self._session.io_binding()
        for name, buffer in self._buffers.items():
            self._binding.bind_ortvalue_input(name, buffer)
        names = [output.name for output in self._session.get_outputs()]
        for name, buffer in zip(names, self._results(names, device), strict=True):
            self._binding.bind_ortvalue_output(name, buffer)
        # With CUDA graphs the first run records.
        self.run()

    def run(self) -> None:
        """Compute; nothing is copied from or to the machine's memory."""
        self._session.run_with_iobinding(self._binding)

    def run_with_copies(self) -> None:
        """Compute as a caller needs it: from arrays to arrays."""
        for name, array in self._inputs.items():
            self._buffers[name].update_inplace(array)
        self.run()
        self._binding.copy_outputs_to_cpu()

    def _results(self, names: list[str], device: Device) -> list[Any]:
        """Buffers of the sizes that the outputs have."""
        binding = self._session.io_binding()
        for name, buffer in self._buffers.items():
            binding.bind_ortvalue_input(name, buffer)
        for name in names:
            binding.bind_output(name, device.kind, device.index)
        plain = ort.RunOptions()
        plain.add_run_config_entry("gpu_graph_id", "-1")  # not recorded
        self._session.run_with_iobinding(binding, plain)
        results: list[Any] = binding.get_outputs()
        return results
