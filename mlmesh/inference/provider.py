"""Chooses what computes: CUDA where it really works, the CPU otherwise."""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Sequence
from typing import Literal

import onnxruntime as ort

from mlmesh.inference.device import CUDA, Device
from mlmesh.runtime.program import BadConfiguration

logger = logging.getLogger(__name__)

Choice = Literal["auto", "cuda", "cpu"]


def device_for(choice: Choice) -> Device:
    """The device of models for which no instances are stated.

    Raises BadConfiguration when "cuda" is asked for and not there.

    ONNX Runtime lists what it was compiled with, not what this machine can run, so the driver is
    probed; whether a session then really runs on CUDA is known when it is open.
    """
    if choice == "cpu":
        return _chosen(Device(), "as the settings say")
    problem = cuda_problem()
    if problem is None:
        return _chosen(Device("cuda"), "CUDA is there")
    if choice == "cuda":
        raise BadConfiguration(f"MLMESH_PROVIDER: CUDA was asked for, but {problem}")
    return _chosen(Device(), f"no CUDA, {problem}")


def require_cuda(devices: Sequence[Device], setting: str) -> None:
    """Raise BadConfiguration, naming the setting, when a device is stated that is not there."""
    wanted = [device for device in devices if device.kind == "cuda"]
    if wanted and (problem := cuda_problem()):
        raise BadConfiguration(f"{setting}: {wanted[0]} was asked for, but {problem}")


def cuda_problem() -> str | None:
    """Why CUDA cannot be used here, or None."""
    if CUDA not in ort.get_available_providers():
        return "this ONNX Runtime was built without it"
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "this machine has no CUDA driver"
    # Finds the CUDA libraries that came as Python packages.
    ort.preload_dlls()
    return None


def _chosen(device: Device, reason: str) -> Device:
    logger.info("provider chosen", extra={"provider": device.provider, "reason": reason})
    return device
