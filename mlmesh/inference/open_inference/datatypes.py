"""The types of tensors: as the protocol, numpy, Triton's configuration and manifests name them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mlmesh.openinference.v2 import model_config_pb2 as config


@dataclass(frozen=True, slots=True)
class Datatype:
    """One type of element."""

    name: str
    """In the protocol, for example "FP32"."""
    dtype: np.dtype[Any]
    """In memory, little-endian. BF16: uint16 bit patterns; BYTES: objects, all of them str."""
    field: str
    """The field of InferTensorContents that holds it; empty for types that are sent raw only."""
    config: config.DataType.ValueType

    @property
    def size(self) -> int:
        """Bytes of one raw element; for BYTES the least, those of its length."""
        return 4 if self.is_text else self.dtype.itemsize

    @property
    def is_text(self) -> bool:
        return self.dtype.hasobject


def _datatype(name: str, dtype: str, field: str, of_config: config.DataType.ValueType) -> Datatype:
    return Datatype(name, np.dtype(dtype), field, of_config)


DATATYPES = {
    "bool": _datatype("BOOL", "?", "bool_contents", config.TYPE_BOOL),
    "uint8": _datatype("UINT8", "u1", "uint_contents", config.TYPE_UINT8),
    "uint16": _datatype("UINT16", "<u2", "uint_contents", config.TYPE_UINT16),
    "uint32": _datatype("UINT32", "<u4", "uint_contents", config.TYPE_UINT32),
    "uint64": _datatype("UINT64", "<u8", "uint64_contents", config.TYPE_UINT64),
    "int8": _datatype("INT8", "i1", "int_contents", config.TYPE_INT8),
    "int16": _datatype("INT16", "<i2", "int_contents", config.TYPE_INT16),
    "int32": _datatype("INT32", "<i4", "int_contents", config.TYPE_INT32),
    "int64": _datatype("INT64", "<i8", "int64_contents", config.TYPE_INT64),
    "float16": _datatype("FP16", "<f2", "", config.TYPE_FP16),
    "bfloat16": _datatype("BF16", "<u2", "", config.TYPE_BF16),
    "float32": _datatype("FP32", "<f4", "fp32_contents", config.TYPE_FP32),
    "float64": _datatype("FP64", "<f8", "fp64_contents", config.TYPE_FP64),
    "string": _datatype("BYTES", "O", "bytes_contents", config.TYPE_STRING),
}
"""By a manifest's name for the type."""
