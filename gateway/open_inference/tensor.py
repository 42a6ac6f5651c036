"""The elements of one tensor in JSON: nested lists or a flat one, checked against the shape."""

from __future__ import annotations

from itertools import chain
from math import prod
from typing import Any

from gateway.json_scalar import expected
from gateway.open_inference.datatype import DATATYPES, Datatype, WrongElement
from mlmesh.runtime.errors import InvalidInput

MAX_RANK = 32
_MAX_DIMENSION = 2**63 - 1


def datatype_at(path: str, value: object) -> Datatype:
    """The datatype that a request names; raises InvalidInput."""
    datatype = DATATYPES.get(value) if type(value) is str else None
    if datatype is None:
        raise InvalidInput(path, f"expected one of {', '.join(DATATYPES)}")
    return datatype


def shape_at(path: str, value: Any) -> list[int]:
    """The shape that a request names: sizes of 0 or more; raises InvalidInput."""
    if type(value) is not list:
        raise InvalidInput(path, expected("a list of sizes", value).problem)
    if len(value) > MAX_RANK:
        raise InvalidInput(path, f"more than {MAX_RANK} axes")
    for index, size in enumerate(value):
        if type(size) is not int or not 0 <= size <= _MAX_DIMENSION:
            raise InvalidInput(f"{path}[{index}]", "expected a size, a whole number from 0 on")
    return list(value)


def check_size(path: str, raw: bytes, datatype: Datatype, shape: list[int]) -> None:
    """Refuse bytes that cannot be a tensor of this shape; raises InvalidInput."""
    needed = datatype.size * prod(shape)
    if datatype.size and len(raw) != needed:
        raise InvalidInput(path, f"{shape} of {datatype.name} needs {needed} bytes, got {len(raw)}")


def packed_at(path: str, value: Any, datatype: Datatype, shape: list[int]) -> bytes:
    """The little-endian bytes of a tensor that JSON holds; raises InvalidInput."""
    if type(value) is not list:
        if shape or type(value) is dict:
            raise InvalidInput(path, expected("a list", value).problem)
        # A tensor without axes is one element.
        value = [value]
    nested = bool(value) and type(value[0]) is list
    elements = _flattened(path, value, shape) if nested else value
    if len(elements) != prod(shape):
        raise InvalidInput(path, f"shape {shape} needs {prod(shape)} elements, got {len(elements)}")
    try:
        return datatype.pack(elements)
    except WrongElement as error:
        place = _place(error.index, shape if nested else [len(elements)])
        raise InvalidInput(path + place, error.problem) from None


def _flattened(path: str, value: list[Any], shape: list[int]) -> list[Any]:
    """The innermost elements of nested lists whose lengths are the shape."""
    level: list[Any] = [value]
    for depth, size in enumerate(shape):
        for index, item in enumerate(level):
            if type(item) is not list or len(item) != size:
                place = path + _place(index, shape[:depth])
                found = f"{len(item)} items" if type(item) is list else "a single value"
                raise InvalidInput(place, f"shape {shape} needs {size} items here, got {found}")
        level = list(chain.from_iterable(level))
    return level


def _place(index: int, shape: list[int]) -> str:
    """Where the element with a number in row-major order stands, for example "[1][0]"."""
    place = ""
    for size in reversed(shape):
        index, position = divmod(index, size)
        place = f"[{position}]{place}"
    return place
