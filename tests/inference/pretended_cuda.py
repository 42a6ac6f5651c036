"""Plays CUDA on the CPU: sessions, values and recorded graphs behave as there, and remember it.

The device's memory is the machine's own here, so this shows which buffers are used when, and not
that CUDA itself works.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

from mlmesh.inference.binding import GRAPH_ID
from mlmesh.inference.device import CPU, CUDA

PINNED = SimpleNamespace(device_id=0)
"""Stands for the description of page-locked memory."""


@dataclass
class Cuda:
    """What was done."""

    pinned: Any = None
    """What is offered as page-locked memory; an exception is raised when it is asked for."""
    device_values: list[Any] = field(default_factory=list)
    pinned_values: list[Any] = field(default_factory=list)
    copied_from: list[Any] = field(default_factory=list)
    """Arrays and values whose content was copied into a value on the device."""
    bound_inputs: list[str] = field(default_factory=list)
    graphs: list[str] = field(default_factory=list)
    """The graph id of every run; empty where none was said."""
    recorded: int = 0


def pretend(monkeypatch: pytest.MonkeyPatch, pinned: Any = None) -> Cuda:
    """Until the test ends, everything that asks ONNX Runtime for CUDA gets the pretended one."""
    cuda = Cuda(pinned)
    make, update = ort.OrtValue.ortvalue_from_shape_and_type, ort.OrtValue.update_inplace

    def value(
        shape: Sequence[int],
        dtype: Any,
        device: str = "cpu",
        index: int = 0,
        memory_info: Any = None,
    ) -> Any:
        made = make(shape, dtype)
        if memory_info is not None:
            if isinstance(memory_info, Exception):
                raise memory_info
            cuda.pinned_values.append(made)
        elif device == "cuda":
            cuda.device_values.append(made)
        return made

    def update_inplace(self: Any, source: Any) -> None:
        cuda.copied_from.append(source)
        update(self, source)

    def session(source: Any, settings: Any, providers: Any, enable_fallback: int) -> _Session:
        [(_, said), _] = providers
        return _Session(cuda, source, settings, graphs=said["enable_cuda_graph"] == "1")

    def memory_info(kind: Any) -> Any:
        return cuda.pinned if kind == ort.OrtDeviceMemoryType.HOST_ACCESSIBLE else PINNED

    devices = [
        SimpleNamespace(ep_name=CPU, memory_info=lambda kind: None),
        SimpleNamespace(ep_name=CUDA, memory_info=memory_info),
    ]
    monkeypatch.setattr(ort.OrtValue, "ortvalue_from_shape_and_type", value)
    monkeypatch.setattr(ort.OrtValue, "update_inplace", update_inplace)
    monkeypatch.setattr(ort, "get_ep_devices", lambda: devices)
    monkeypatch.setattr(ort, "InferenceSession", session)
    return cuda


class _Session:
    """A real session on the CPU that records graphs: a recorded run reads and writes the buffers
    that it was recorded with, whatever it is given later."""

    def __init__(self, cuda: Cuda, source: Any, settings: Any, *, graphs: bool) -> None:
        self._real = _RealSession(source, settings, providers=[CPU])
        self._cuda = cuda
        self._graphs = graphs
        self._recorded: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def get_providers(self) -> list[str]:
        return [CUDA, CPU]

    def io_binding(self) -> Any:
        return _Binding(self._real, self._cuda)

    def run(self, names: Any, inputs: Any, options: Any) -> list[NDArray[Any]]:
        assert self._graph_of(options) is None, "records addresses that it gets but once"
        found: list[NDArray[Any]] = self._real.run(names, inputs, options)
        return found

    def run_with_ort_values(self, names: Any, inputs: Any, options: Any) -> Any:
        assert self._graph_of(options) is None, "records addresses that it gets but once"
        return self._real.run_with_ort_values(names, inputs, options)

    def run_with_iobinding(self, binding: Any, options: Any) -> None:
        graph = self._graph_of(options)
        if graph is not None:
            if graph not in self._recorded:
                self._cuda.recorded += 1
            binding = self._recorded.setdefault(graph, binding)
        self._real.run_with_iobinding(binding, options)

    def _graph_of(self, options: Any) -> str | None:
        try:
            said = options.get_run_config_entry(GRAPH_ID) if options is not None else ""
        except RuntimeError:
            said = ""
        self._cuda.graphs.append(said)
        return None if said == "-1" or not self._graphs else said


_RealSession = ort.InferenceSession


class _Binding(ort.IOBinding):  # type: ignore[misc]
    def __init__(self, session: Any, cuda: Cuda) -> None:
        super().__init__(session)
        self._cuda = cuda

    def bind_ortvalue_input(self, name: str, value: Any) -> None:
        assert any(value is known for known in self._cuda.device_values), "not on the device"
        self._cuda.bound_inputs.append(name)
        super().bind_ortvalue_input(name, value)

    def bind_ortvalue_output(self, name: str, value: Any) -> None:
        assert any(value is known for known in self._cuda.device_values), "not on the device"
        super().bind_ortvalue_output(name, value)

    def bind_output(self, name: str, device: str = "cpu", index: int = 0) -> None:
        assert device == "cuda"
        super().bind_output(name)

    def copy_outputs_to_cpu(self) -> list[NDArray[Any]]:
        # From a device they are copies.
        return [np.array(array) for array in super().copy_outputs_to_cpu()]
