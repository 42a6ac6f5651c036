"""Where a graph runs: the CPU or one GPU, and how often it is held there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
MOST_INSTANCES = 64
_INSTANCE = re.compile(r"(cpu|cuda)(?::(\d{1,3}))?(?:\s*x\s*(\d{1,3}))?")


@dataclass(frozen=True, slots=True)
class Device:
    """The CPU, or the CUDA device of a number."""

    kind: Literal["cpu", "cuda"] = "cpu"
    index: int = 0

    def __str__(self) -> str:
        return self.kind if self.kind == "cpu" else f"{self.kind}:{self.index}"

    @property
    def provider(self) -> str:
        """The ONNX Runtime execution provider that computes there."""
        return CUDA if self.kind == "cuda" else CPU

    def providers(self, *, graphs: bool = False) -> list[tuple[str, dict[str, Any]]]:
        """What ONNX Runtime is asked for, best first. graphs: capture CUDA graphs."""
        if self.kind == "cpu":
            return [(CPU, {})]
        options = {
            "device_id": str(self.index),
            # Grows by what is asked for: several models share the device's memory.
            "arena_extend_strategy": "kSameAsRequested",
            "enable_cuda_graph": "1" if graphs else "0",
        }
        return [(CUDA, options), (CPU, {})]


def instances_of(texts: Sequence[str]) -> tuple[Device, ...]:
    """One device for every instance: ["cuda:0 x2", "cuda:1"] is cuda:0, cuda:0, cuda:1.

    Raises ValueError.
    """
    devices: list[Device] = []
    for text in texts:
        matched = _INSTANCE.fullmatch(text.strip())
        if matched is None or (matched[1] == "cpu" and matched[2]):
            raise ValueError(f"{text!r} is no instance, write for example cpu, cuda:0 or cuda:1 x2")
        kind: Literal["cpu", "cuda"] = "cuda" if matched[1] == "cuda" else "cpu"
        devices += [Device(kind, int(matched[2] or 0))] * int(matched[3] or 1)
    if len(devices) > MOST_INSTANCES:
        raise ValueError(f"{len(devices)} instances, at most {MOST_INSTANCES} are possible")
    if texts and not devices:
        raise ValueError("no instance at all, leave the setting out for one")
    return tuple(devices)
