"""Chooses what computes: CUDA where it really works, the CPU otherwise."""

from __future__ import annotations

import ctypes
import logging
from typing import Literal

import onnxruntime as ort

from mlmesh.runtime.program import BadConfiguration

logger = logging.getLogger(__name__)

Choice = Literal["auto", "cuda", "cpu"]
CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"


def providers_for(choice: Choice) -> list[str]:
    """ONNX Runtime providers to ask for, best first.

    Raises BadConfiguration when "cuda" is asked for and not there.

    ONNX Runtime lists what it was compiled with, not what this machine can run, so the driver is
    probed; whether a session then really runs on CUDA is known when it is open.
    """
    if choice == "cpu":
        return _chosen([CPU], "as the settings say")
    problem = _cuda_problem()
    if problem is None:
        # Finds the CUDA libraries that came as Python packages.
        ort.preload_dlls()
        return _chosen([CUDA, CPU], "CUDA is there")
    if choice == "cuda":
        raise BadConfiguration(f"MLMESH_PROVIDER: CUDA was asked for, but {problem}")
    return _chosen([CPU], f"no CUDA, {problem}")


def _chosen(providers: list[str], reason: str) -> list[str]:
    logger.info("provider chosen", extra={"provider": providers[0], "reason": reason})
    return providers


def _cuda_problem() -> str | None:
    """Why CUDA cannot be used here, or None."""
    if CUDA not in ort.get_available_providers():
        return "this ONNX Runtime was built without it"
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "this machine has no CUDA driver"
    return None
