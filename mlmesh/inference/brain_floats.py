"""Runs graphs with bfloat16 inputs or outputs, which numpy has no type for.

Their bit patterns travel in uint16 arrays.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from mlmesh.registry.manifest import Tensor

BFLOAT16 = 16
"""TensorProto.BFLOAT16."""


class BrainFloatRunner:
    """Runs a session on values instead of arrays. On CUDA, ONNX Runtime copies them itself."""

    def __init__(self, session: Any, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
        self._session = session
        self._brain_floats = {tensor.name for tensor in inputs if tensor.dtype == "bfloat16"}
        self._outputs = [tensor.name for tensor in outputs]

    def run(self, inputs: Mapping[str, NDArray[Any]], options: Any | None) -> list[NDArray[Any]]:
        values = {name: self._value(name, array) for name, array in inputs.items()}
        return [
            _array(value)
            for value in self._session.run_with_ort_values(self._outputs, values, options)
        ]

    def _value(self, name: str, array: NDArray[Any]) -> Any:
        if name not in self._brain_floats:
            return ort.OrtValue.ortvalue_from_numpy(array)
        patterns = np.ascontiguousarray(array)
        return ort.OrtValue.ortvalue_from_numpy_with_onnx_type(patterns, BFLOAT16)


def _array(value: Any) -> NDArray[Any]:
    if value.element_type() != BFLOAT16:
        array: NDArray[Any] = value.numpy()
        return array
    content = ctypes.string_at(value.data_ptr(), value.tensor_size_in_bytes())
    return np.frombuffer(content, np.uint16).reshape(value.shape())
