"""Tensors as numpy has them: what the codec's bytes and values are compared with."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

DTYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype("?"),
    "UINT8": np.dtype("<u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("<i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
INTEGERS = [name for name in DTYPES if "INT" in name]
FLOATS = ["FP16", "FP32", "FP64"]


def json_numbers(name: str) -> st.SearchStrategy[Any]:
    """Values that a datatype takes, as JSON has them."""
    if name == "BOOL":
        return st.booleans()
    if name in INTEGERS:
        limits = np.iinfo(DTYPES[name])
        return st.integers(int(limits.min), int(limits.max))
    most = float(np.finfo(DTYPES[name]).max)
    floats = st.floats(-most, most)
    return floats | st.integers(-2000, 2000) | st.sampled_from(["NaN", "Infinity", "-Infinity"])


def brain_bytes(values: list[float]) -> bytes:
    """bfloat16, rounded to nearest and ties to even, the long way round."""
    rounded = []
    for value in values:
        bits = int(np.array([value], "<f4").view("<u4")[0])
        lower, upper = bits & 0xFFFF, bits >> 16
        if lower > 0x8000 or (lower == 0x8000 and upper & 1):
            upper += 1
        rounded.append(upper)
    return np.array(rounded, "<u2").tobytes()
