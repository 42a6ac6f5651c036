"""The protocol's datatypes: elements between JSON values and little-endian bytes.

A number that JSON has no word for, "NaN", "Infinity" or "-Infinity", is a string, as in ProtoJSON.
"""

from __future__ import annotations

import math
import struct
import sys
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.json_scalar import expected, write_double, write_float
from gateway.shortest_float import shortest_float

_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_NUMBERS = frozenset({int, float})
# Half a step above the largest number of each type: what lies below rounds to it. That of BF16 is
# smaller by what rounding to 32 bits may add on the way.
_LIMITS = {
    "BF16": (2 - 2**-8) * 2.0**127 - 2.0**103,
    "FP16": 65520.0,
    "FP32": (2 - 2**-24) * 2.0**127,
}
_LENGTH = struct.Struct("<I")


class WrongElement(Exception):
    """`index` counts the elements in row-major order."""

    def __init__(self, index: int, problem: str) -> None:
        super().__init__(problem)
        self.index = index
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Datatype:
    name: str
    size: int
    """Bytes of one element; 0 when they differ."""
    pack: Callable[[list[Any]], bytes]
    """JSON values to bytes; raises WrongElement."""
    unpack: Callable[[bytes], list[Any]]
    """Bytes, as many as the elements have, to JSON values. Raises UnicodeDecodeError when JSON
    cannot hold them."""


def _typed(code: str, values: Iterable[Any] = ()) -> array[Any]:
    typed: array[Any] = array(code, values)
    return typed


def _little(typed: array[Any]) -> array[Any]:
    if sys.byteorder == "big":
        typed.byteswap()
    return typed


def _of_bytes(code: str, raw: bytes) -> array[Any]:
    typed = _typed(code)
    typed.frombytes(raw)
    return _little(typed)


def _integer(name: str, code: str) -> Datatype:
    size = _typed(code).itemsize
    least = 0 if code.isupper() else -(2 ** (8 * size - 1))
    most = least + 2 ** (8 * size) - 1

    def pack(values: list[Any]) -> bytes:
        if {int}.issuperset(map(type, values)):
            try:
                return _little(_typed(code, values)).tobytes()
            except OverflowError:
                pass
        for index, value in enumerate(values):
            if type(value) is not int:
                raise WrongElement(index, expected("an integer", value).problem)
            if not least <= value <= most:
                raise WrongElement(index, f"{name} is from {least} to {most}")
        raise AssertionError("one of them must be wrong")

    return Datatype(name, size, pack, lambda raw: _of_bytes(code, raw).tolist())


def _floating(
    name: str,
    size: int,
    to_bytes: Callable[[Sequence[float]], bytes],
    to_floats: Callable[[bytes], Sequence[float]],
) -> Datatype:
    limit = _LIMITS.get(name, math.inf)

    def pack(values: list[Any]) -> bytes:
        plain = _NUMBERS.issuperset(map(type, values))
        if not plain or (values and not (-limit < min(values) and max(values) < limit)):
            values = [_read_float(name, limit, *item) for item in enumerate(values)]
        return to_bytes(values)

    write: Callable[[Any], Any] = write_double if name == "FP64" else write_float

    def unpack(raw: bytes) -> list[Any]:
        numbers = to_floats(raw)
        total = sum(numbers)
        # A sum is finite only if all of its terms are.
        if total - total == 0:
            return list(numbers if name == "FP64" else map(shortest_float, numbers))
        return list(map(write, numbers))

    return Datatype(name, size, pack, unpack)


def _read_float(name: str, limit: float, index: int, value: Any) -> float:
    if type(value) is str and value in _SPECIAL:
        return _SPECIAL[value]
    if type(value) not in _NUMBERS:
        raise WrongElement(index, expected('a number or "NaN", "Infinity"', value).problem)
    if abs(value) >= limit:
        raise WrongElement(index, f"is too large for {name}")
    return float(value)


def _halves_to_bytes(values: Sequence[float]) -> bytes:
    return struct.pack(f"<{len(values)}e", *values)


def _bytes_to_halves(raw: bytes) -> Sequence[float]:
    return struct.unpack(f"<{len(raw) // 2}e", raw)


def _brains_to_bytes(values: Sequence[float]) -> bytes:
    """bfloat16 is the upper half of a 32-bit float; rounded to nearest, ties to even."""
    bits = _typed("I")
    bits.frombytes(_typed("f", values).tobytes())
    return _little(_typed("H", map(_upper_half, bits))).tobytes()


def _upper_half(bits: int) -> int:
    if bits & 0x7FFFFFFF > 0x7F800000:
        return bits >> 16 | 0x40
    return (bits + 0x7FFF + (bits >> 16 & 1)) >> 16


def _bytes_to_brains(raw: bytes) -> Sequence[float]:
    bits = _typed("I", [half << 16 for half in _of_bytes("H", raw)])
    floats = _typed("f")
    floats.frombytes(bits.tobytes())
    return floats


def _typed_float(name: str, code: str) -> Datatype:
    return _floating(
        name,
        _typed(code).itemsize,
        lambda values: _little(_typed(code, values)).tobytes(),
        lambda raw: _of_bytes(code, raw),
    )


def _pack_bools(values: list[Any]) -> bytes:
    if not {bool}.issuperset(map(type, values)):
        for index, value in enumerate(values):
            if type(value) is not bool:
                raise WrongElement(index, expected("true or false", value).problem)
    return bytes(values)


def _pack_strings(values: list[Any]) -> bytes:
    if not {str}.issuperset(map(type, values)):
        for index, value in enumerate(values):
            if type(value) is not str:
                raise WrongElement(index, expected("a string", value).problem)
    texts = list(map(str.encode, values))
    lengths = map(_LENGTH.pack, map(len, texts))
    return b"".join(part for pair in zip(lengths, texts, strict=True) for part in pair)


def _unpack_strings(raw: bytes) -> list[str]:
    return [str(part, "utf-8") for part in strings_of(raw)]


def strings_of(raw: bytes) -> Iterator[bytes]:
    """The elements of a BYTES tensor; raises ValueError when they do not end where it ends."""
    position = 0
    while position < len(raw):
        start = position + 4
        if start > len(raw):
            raise ValueError("ends within a length")
        position = start + _LENGTH.unpack_from(raw, position)[0]
        if position > len(raw):
            raise ValueError("ends within an element")
        yield raw[start:position]


DATATYPES = {
    datatype.name: datatype
    for datatype in (
        Datatype("BOOL", 1, _pack_bools, lambda raw: list(map(bool, raw))),
        _integer("UINT8", "B"),
        _integer("UINT16", "H"),
        _integer("UINT32", "I"),
        _integer("UINT64", "Q"),
        _integer("INT8", "b"),
        _integer("INT16", "h"),
        _integer("INT32", "i"),
        _integer("INT64", "q"),
        _floating("FP16", 2, _halves_to_bytes, _bytes_to_halves),
        _floating("BF16", 2, _brains_to_bytes, _bytes_to_brains),
        _typed_float("FP32", "f"),
        _typed_float("FP64", "d"),
        Datatype("BYTES", 0, _pack_strings, _unpack_strings),
    )
}
