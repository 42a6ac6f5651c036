"""What NVIDIA's driver says of the GPUs, in Prometheus' terms; nothing where there is none."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry

from mlmesh.runtime.instruments import Meters, Reading

logger = logging.getLogger(__name__)

_Ask = Callable[[Any, Any], float]
"""Takes the library and the handle of a GPU."""


@dataclass(frozen=True, slots=True)
class _Figure:
    name: str
    meaning: str
    ask: _Ask


FIGURES = (
    _Figure(
        "gpu_memory_usage_bytes",
        "Memory of the GPU that is in use, by all processes.",
        lambda nvml, gpu: float(nvml.nvmlDeviceGetMemoryInfo(gpu).used),
    ),
    _Figure(
        "gpu_memory_total_bytes",
        "Memory that the GPU has.",
        lambda nvml, gpu: float(nvml.nvmlDeviceGetMemoryInfo(gpu).total),
    ),
    _Figure(
        "gpu_utilization_ratio",
        "Share of the last moments in which the GPU was computing, 0 to 1.",
        lambda nvml, gpu: nvml.nvmlDeviceGetUtilizationRates(gpu).gpu / 100,
    ),
    _Figure(
        "gpu_temperature_celsius",
        "Temperature of the GPU.",
        lambda nvml, gpu: float(nvml.nvmlDeviceGetTemperature(gpu, nvml.NVML_TEMPERATURE_GPU)),
    ),
    _Figure(
        "gpu_power_watts",
        "Power that the GPU draws.",
        lambda nvml, gpu: nvml.nvmlDeviceGetPowerUsage(gpu) / 1000,
    ),
)


def show_gpus(registry: CollectorRegistry) -> None:
    """Show the figures of every GPU, if there is one and nvidia-ml-py is installed."""
    try:
        import pynvml
    except ImportError:
        return
    show_gpus_of(registry, pynvml)


def show_gpus_of(registry: CollectorRegistry, nvml: Any) -> None:
    """The same of a library with NVML's functions."""
    try:
        nvml.nvmlInit()
        gpus = [nvml.nvmlDeviceGetHandleByIndex(at) for at in range(nvml.nvmlDeviceGetCount())]
    except nvml.NVMLError as error:
        logger.debug("no GPU figures", extra={"reason": str(error)})
        return
    if not gpus:
        return
    for figure in FIGURES:
        read = _reader(nvml, gpus, figure.ask)
        Meters(registry, figure.name, figure.meaning, ("gpu",), read)


def _reader(nvml: Any, gpus: Sequence[Any], ask: _Ask) -> Callable[[], Iterator[Reading]]:
    def readings() -> Iterator[Reading]:
        for at, gpu in enumerate(gpus):
            try:
                yield (str(at),), ask(nvml, gpu)
            except nvml.NVMLError:
                # Not every GPU has every figure, and one may be lost.
                continue

    return readings
