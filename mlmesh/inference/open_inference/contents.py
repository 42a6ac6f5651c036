"""Tensors as typed contents: one repeated field of protobuf for each kind of element."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlmesh.inference.open_inference.datatypes import Datatype
from mlmesh.inference.open_inference.raw import as_bytes, not_utf8
from mlmesh.openinference.v2 import inference_pb2 as pb
from mlmesh.runtime.errors import InvalidInput

CHUNK = 65_536
"""Elements that become numbers at once: between chunks, other threads get their turn."""

# Packed numbers of a fixed size lie on the wire as they do in memory.
_FIXED = {"BOOL": np.dtype("?"), "FP32": np.dtype("<f4"), "FP64": np.dtype("<f8")}


def read_contents(
    contents: pb.InferTensorContents, datatype: Datatype, shape: Sequence[int], field: str
) -> NDArray[Any]:
    """The tensor of `shape` that `contents` holds.

    field: where the contents stand in the request. Raises InvalidInput when the elements are in
    another field than the type's, not as many as the shape needs, or too large for the type.
    """
    if not datatype.field:
        raise InvalidInput(
            field, f"{datatype.name} has no field here, send it in raw_input_contents"
        )
    for descriptor, _ in contents.ListFields():
        if descriptor.name != datatype.field:
            raise InvalidInput(
                f"{field}.{descriptor.name}", f"{datatype.name} goes into {datatype.field}"
            )
    field = f"{field}.{datatype.field}"
    elements = getattr(contents, datatype.field)
    if len(elements) != prod(shape):
        raise InvalidInput(
            field, f"expected {prod(shape)} elements for {list(shape)}, got {len(elements)}"
        )
    if datatype.is_text:
        return _read_texts(elements, field).reshape(shape)
    if datatype.name in _FIXED:
        return _read_fixed(contents, len(elements), _FIXED[datatype.name]).reshape(shape)
    return _read_integers(elements, datatype, field).reshape(shape)


def write_contents(array: NDArray[Any], datatype: Datatype) -> pb.InferTensorContents:
    """The same contents that `read_contents` takes, for a type that has a field."""
    contents = pb.InferTensorContents()
    if datatype.name in _FIXED:
        content = array.astype(_FIXED[datatype.name], copy=False).tobytes()
        # The wire's own form is hundreds of times faster than appending the elements one by one.
        contents.MergeFromString(_tag(datatype.field) + _varint(len(content)) + content)
        return contents
    write: Callable[[Any], None] = getattr(contents, datatype.field).extend
    flat = array.reshape(-1)
    for start in range(0, flat.size, CHUNK):
        chunk = flat[start : start + CHUNK].tolist()
        write([as_bytes(text) for text in chunk] if datatype.is_text else chunk)
    return contents


def _read_fixed(contents: pb.InferTensorContents, count: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """The elements out of the wire's own form, where they follow the field's tag and length."""
    wire = contents.SerializeToString()
    start = 1 + len(_varint(count * dtype.itemsize))
    return np.frombuffer(wire, dtype, count, start if count else 0)


def _read_integers(elements: Sequence[int], datatype: Datatype, field: str) -> NDArray[Any]:
    numbers = np.empty(len(elements), datatype.dtype)
    wide = np.int64 if datatype.dtype.kind == "i" else np.uint64
    for start in range(0, len(elements), CHUNK):
        chunk = np.array(elements[start : start + CHUNK], wide)
        numbers[start : start + CHUNK] = chunk
        if (wrong := np.flatnonzero(numbers[start : start + CHUNK] != chunk)).size:
            index = int(wrong[0])
            raise InvalidInput(
                f"{field}[{start + index}]", f"{chunk[index]} is too large for {datatype.name}"
            )
    return numbers


def _read_texts(elements: Sequence[bytes], field: str) -> NDArray[Any]:
    texts = np.empty(len(elements), object)
    for number, content in enumerate(elements):
        try:
            texts[number] = content.decode()
        except UnicodeDecodeError as error:
            raise not_utf8(field, number, error) from None
    return texts


def _tag(field: str) -> bytes:
    """The tag of a packed field; all of these have numbers below 16."""
    return bytes([pb.InferTensorContents.DESCRIPTOR.fields_by_name[field].number << 3 | 2])


def _varint(number: int) -> bytes:
    groups = []
    while number > 127:
        groups.append(number & 127 | 128)
        number >>= 7
    return bytes([*groups, number])
