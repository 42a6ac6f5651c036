"""Exported graphs on onnxruntime's CPU provider, with the options that every graph gets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

BATCH = 32
Pictures = NDArray[np.uint8]
Answers = Mapping[str, NDArray[Any]]


class Graph:
    """A version's graph."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self._session: Any = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )
        self._outputs = [one.name for one in self._session.get_outputs()]
        [given] = self._session.get_inputs()
        self.side: int = given.shape[1]
        self._input = given.name

    def run(self, pictures: Pictures) -> Answers:
        """Outputs by name, of all these pictures at once: uint8 [rows, side, side, 3]."""
        found = self._session.run(self._outputs, {self._input: pictures})
        return dict(zip(self._outputs, found, strict=True))

    def __call__(self, pictures: Pictures) -> Answers:
        """The same, a few at a time."""
        parts = [
            self.run(pictures[start : start + BATCH]) for start in range(0, len(pictures), BATCH)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in self._outputs}
