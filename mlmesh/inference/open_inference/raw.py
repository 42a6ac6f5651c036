"""Tensors as raw bytes: little-endian, row-major, texts with four bytes of length before each."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlmesh.inference.open_inference.datatypes import Datatype
from mlmesh.runtime.errors import InvalidInput

_LENGTH = struct.Struct("<I")


def read_raw(content: bytes, datatype: Datatype, shape: Sequence[int], field: str) -> NDArray[Any]:
    """The tensor of `shape` that `content` holds; numbers are not copied and cannot be written to.

    field: where the bytes stand in the request. Raises InvalidInput when they are not as many as
    the shape needs, or not what the type allows.
    """
    if datatype.is_text:
        return _read_texts(content, shape, field)
    expected = prod(shape) * datatype.size
    if len(content) != expected:
        raise InvalidInput(
            field,
            f"expected {expected} bytes for {datatype.name} {list(shape)}, got {len(content)}",
        )
    if datatype.name == "BOOL":
        numbers = np.frombuffer(content, np.uint8)
        if numbers.size and numbers.max() > 1:
            raise InvalidInput(field, "a BOOL is a byte of 0 or 1")
        return numbers.view(np.bool_).reshape(shape)
    return np.frombuffer(content, datatype.dtype).reshape(shape)


def write_raw(array: NDArray[Any], datatype: Datatype) -> bytes:
    """The same bytes that `read_raw` takes."""
    if datatype.is_text:
        return b"".join(_with_length(text) for text in array.flat)
    return array.astype(datatype.dtype, copy=False).tobytes()


def not_utf8(field: str, number: int, error: UnicodeDecodeError) -> InvalidInput:
    return InvalidInput(
        field, f"element {number} is not UTF-8: {error.reason} at its byte {error.start}"
    )


def as_bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


def _with_length(text: str | bytes) -> bytes:
    content = as_bytes(text)
    return _LENGTH.pack(len(content)) + content


def _read_texts(content: bytes, shape: Sequence[int], field: str) -> NDArray[Any]:
    count = prod(shape)
    if count * _LENGTH.size > len(content):
        raise InvalidInput(
            field,
            f"expected {count} elements for BYTES {list(shape)}, at least 4 bytes each, "
            f"got {len(content)} bytes",
        )
    texts = np.empty(count, object)
    start = 0
    for number in range(count):
        stop = start + _LENGTH.size
        if stop > len(content):
            raise InvalidInput(field, f"ends before the length of element {number}")
        [length] = _LENGTH.unpack_from(content, start)
        start, stop = stop, stop + length
        if stop > len(content):
            raise InvalidInput(
                field,
                f"element {number} says it has {length} bytes, {len(content) - start} are left",
            )
        try:
            texts[number] = content[start:stop].decode()
        except UnicodeDecodeError as error:
            raise not_utf8(field, number, error) from None
        start = stop
    if start != len(content):
        raise InvalidInput(
            field,
            f"{len(content) - start} bytes are left after the {count} elements of {list(shape)}",
        )
    return texts.reshape(shape)
