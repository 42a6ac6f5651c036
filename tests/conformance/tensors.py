"""Values at the edges of every type, as tritonclient's users hold them."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def _floats(dtype: Any) -> Array:
    limits: Any = ml_dtypes.finfo(dtype)  # type: ignore[no-untyped-call]
    values = [limits.max, limits.min, -0.0, limits.smallest_subnormal, 0.1, np.inf]
    return np.array(values, dtype).reshape(2, 3)


def _integers(dtype: Any) -> Array:
    limits = np.iinfo(dtype)
    return np.array([[limits.min, limits.max, 0], [1, 2, 3]], dtype)


INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
FLOATS = ("float16", "float32", "float64")
TENSORS: dict[str, Array] = {
    "bool": np.array([[True, False, True], [False, False, True]]),
    **{name: _integers(name) for name in INTEGERS},
    **{name: _floats(name) for name in FLOATS},
    "bfloat16": _floats(ml_dtypes.bfloat16),
    # Empty, with a zero inside, beyond ASCII and beyond the first plane; longest last.
    "string": np.array([[b"", b"a\0b", "Grüße".encode()], ["🐧".encode(), b" \n", b"x" * 70_000]]),
}
"""[2, 3] by the name that manifests have for the type."""
TENSORS["string"] = TENSORS["string"].astype(object)


def same(found: Array, expected: Array) -> bool:
    """Whether they are equal in type, shape and every bit."""
    if found.dtype != expected.dtype or found.shape != expected.shape:
        return False
    if expected.dtype.hasobject:
        return bool(found.tolist() == expected.tolist())
    return found.tobytes() == expected.tobytes()
