"""What a quantised graph computes in: whole numbers on a CPU, floats on a GPU.

Such graphs hold weights as int8, and fixed scales for what is multiplied with them. CPUs are faster
with the whole numbers; CUDA has no kernels for them, so ONNX Runtime has to fold the scales away.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

Arithmetic = Literal["int8", "float"]

_CPU_INFO = Path("/proc/cpuinfo")
# The field of a node in which its operator is named, as it is serialised. An operator that only
# reads int8 weights is named DequantizeLinear.
_QUANTIZE = b"\x22\x0eQuantizeLinear"
_CHUNK = 2**17


def arithmetic_of(graph: Path | bytes, kind: str) -> Arithmetic:
    """What a graph computes in on a kind of device, "cpu" or "cuda"."""
    return "int8" if kind == "cpu" and _holds_scales(graph) else "float"


def session_entries(kind: str) -> Mapping[str, str]:
    """Entries for the configuration of an ONNX Runtime session on a kind of device.

    They change nothing for graphs that are not quantised.
    """
    if kind == "cuda":
        return {"session.disable_quant_qdq": "1", "session.enable_quant_qdq_cleanup": "1"}
    # Without VNNI instructions x86 processors let sums overflow, unless they take a slower way.
    return {"session.x64quantprecision": "1"} if _is_old_x86() else {}


def _holds_scales(graph: Path | bytes) -> bool:
    if isinstance(graph, bytes):
        return _QUANTIZE in graph
    # A search keeps the interpreter to itself, and a graph may have two gigabytes: in parts, the
    # calls of other models need not wait for the end of it.
    before = b""
    with graph.open("rb") as file:
        while chunk := file.read(_CHUNK):
            if _QUANTIZE in before + chunk:
                return True
            before = chunk[1 - len(_QUANTIZE) :]
    return False


def _is_old_x86() -> bool:
    known = _CPU_INFO.read_text() if _CPU_INFO.exists() else ""
    return platform.machine() in ("x86_64", "AMD64") and "vnni" not in known
