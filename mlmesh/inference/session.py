"""An ONNX graph, open and ready to run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from mlmesh.inference.arithmetic import Arithmetic, arithmetic_of, session_entries
from mlmesh.inference.binding import CudaRunner, not_recorded
from mlmesh.inference.brain_floats import BrainFloatRunner
from mlmesh.inference.device import Device
from mlmesh.registry.manifest import Tensor

Array = NDArray[Any]
Arrays = Mapping[str, Array]
Optimisation = Literal["none", "basic", "extended", "all"]

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
_LEVELS = {
    "none": ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "basic": ort.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "extended": ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "all": ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
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

    threads: int = 1
    """Threads within one operator. Several services share a small machine: one each by default."""
    inter_op_threads: int = 1
    """Operators that run side by side; more than 1 helps graphs of parallel branches only, and the
    calling thread then takes a core for the whole of every run."""
    arena: bool = True
    """Whether freed memory is kept for the next run."""
    optimisation: Optimisation = "all"
    """How far ONNX Runtime rewrites the graph before it runs."""
    cuda_graphs: bool = False
    """Whether runs of a fixed batch size are recorded and replayed on CUDA."""


class Runner(Protocol):
    """Runs an open session on arrays of the machine's own memory."""

    def run(self, inputs: Arrays, options: RunOptions | None) -> list[Array]: ...


class Session:
    """Runs one graph on one device. `run` may be called from any thread, one at a time on CUDA."""

    def __init__(
        self, graph: Path | bytes, options: SessionOptions, device: Device | None = None
    ) -> None:
        """Open a graph, from a file or serialised; raises BadGraph."""
        device = device or Device()
        source = graph if isinstance(graph, bytes) else str(graph)
        providers = device.providers(graphs=options.cuda_graphs)
        try:
            settings = session_settings(options, device.kind)
            # By default it would go on with the CPU when CUDA fails, and print so.
            self._session = ort.InferenceSession(
                source, settings, providers=providers, enable_fallback=0
            )
        except Exception as error:  # ONNX Runtime's exceptions share no base of their own.
            raise BadGraph(_message(error, graph)) from error
        self.device = device
        self.arithmetic: Arithmetic = arithmetic_of(graph, device.kind)
        self.provider: str = self._session.get_providers()[0]
        if self.provider != device.provider:
            raise BadGraph(f"{device} was asked for, but ONNX Runtime gave {self.provider}")
        self.inputs = tuple(_tensor(node) for node in self._session.get_inputs())
        self.outputs = tuple(_tensor(node) for node in self._session.get_outputs())
        self._output_names = [tensor.name for tensor in self.outputs]
        self._runner = self._runner_for(options)

    def run(self, inputs: Arrays, options: RunOptions | None = None) -> dict[str, Array]:
        """Every output of the graph, by name; bfloat16 as the bit patterns, in uint16."""
        results = self._runner.run(inputs, options)
        return dict(zip(self._output_names, results, strict=True))

    def warm_up(self, rows: int, length: int = 1) -> dict[str, Array]:
        """Run once on zeros, so that the first caller does not pay for the graph's preparations.

        rows, length: sizes of the first and second axis of inputs where these are free.
        """
        return self.run({tensor.name: _zeros(tensor, rows, length) for tensor in self.inputs})

    def _runner_for(self, options: SessionOptions) -> Runner:
        dtypes = {tensor.dtype for tensor in (*self.inputs, *self.outputs)}
        on_cuda = self.device.kind == "cuda"
        # Texts stay in the machine's own memory, and bfloat16 comes as values.
        if on_cuda and not dtypes & {"bfloat16", "string"}:
            return CudaRunner(self._session, self.device, graphs=options.cuda_graphs)
        runner: Runner = _PlainRunner(self._session, self._output_names)
        if "bfloat16" in dtypes:
            runner = BrainFloatRunner(self._session, self.inputs, self.outputs)
        return _Unrecorded(runner) if on_cuda and options.cuda_graphs else runner


def _message(error: Exception, graph: Path | bytes) -> str:
    """What ONNX Runtime says, without where the private copy lies: callers read it."""
    line = (str(error).splitlines() or [type(error).__name__])[0]
    return line if isinstance(graph, bytes) else line.replace(f"{graph.parent}/", "")


class _PlainRunner:
    def __init__(self, session: Any, outputs: list[str]) -> None:
        self._session = session
        self._outputs = outputs

    def run(self, inputs: Arrays, options: RunOptions | None) -> list[Array]:
        results: list[Array] = self._session.run(self._outputs, dict(inputs), options)
        return results


class _Unrecorded:
    """For sessions that record CUDA graphs, but get their inputs at new addresses every time."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def run(self, inputs: Arrays, options: RunOptions | None) -> list[Array]:
        return self._runner.run(inputs, not_recorded(options))


def session_settings(options: SessionOptions, kind: str = "cpu") -> Any:
    """onnxruntime.SessionOptions that say the same, for a kind of device: "cpu" or "cuda"."""
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = options.threads
    settings.inter_op_num_threads = options.inter_op_threads
    if options.inter_op_threads > 1:
        settings.execution_mode = ort.ExecutionMode.ORT_PARALLEL
    settings.enable_cpu_mem_arena = options.arena
    settings.graph_optimization_level = _LEVELS[options.optimisation]
    settings.log_severity_level = 3
    # A thread that spins while it waits takes a core from the neighbours.
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    settings.add_session_config_entry("session.inter_op.allow_spinning", "0")
    for name, value in session_entries(kind).items():
        settings.add_session_config_entry(name, value)
    return settings


def _tensor(node: Any) -> Tensor:
    if node.type not in _DTYPES:
        raise BadGraph(f"{node.name} is a {node.type}, only tensors are served")
    shape = tuple(size if isinstance(size, int) else None for size in node.shape)
    return Tensor.model_validate({"name": node.name, "dtype": _DTYPES[node.type], "shape": shape})


def _zeros(tensor: Tensor, rows: int, length: int) -> Array:
    free = (rows, length)
    shape = [
        (free[axis] if axis < 2 else 1) if size is None else size
        for axis, size in enumerate(tensor.shape)
    ]
    if tensor.dtype == "string":
        return np.full(shape, "", dtype=object)
    return np.zeros(shape, dtype="uint16" if tensor.dtype == "bfloat16" else tensor.dtype)
