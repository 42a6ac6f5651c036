"""Scalars between JSON and messages: numbers, strings, bytes, enums and the keys of maps."""

from __future__ import annotations

import base64
import binascii
import math
import re
import struct
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

from mlmesh.runtime.errors import InvalidInput

Read = Callable[[Any, str], Any]
"""Gives the field's value for a JSON value; raises InvalidInput with the path."""
Write = Callable[[Any], Any]
"""Gives the JSON value for a field's value."""

NUMBERS = frozenset({int, float})
FLOAT32_MAX = 3.4028234663852886e38
# Half a step above the largest float32: what lies below rounds to it.
_FLOAT32_LIMIT = 3.4028235677973366e38
_INTEGER = re.compile(r"[+-]?[0-9]+")
_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_KIND = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "a list"}
_URL_SAFE = bytes.maketrans(b"-_", b"+/")

_RANGES = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
_LONG = (FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64)


def expected(what: str, value: object) -> str:
    """The problem of a value that has the wrong JSON type."""
    found = "null" if value is None else _KIND.get(type(value), "an object")
    return f"expected {what}, got {found}"


def scalar_reader(field: FieldDescriptor) -> Read:
    kind = field.cpp_type
    if kind in _RANGES:
        return _integer_reader(*_RANGES[kind])
    if kind == FieldDescriptor.CPPTYPE_DOUBLE:
        return _read_double
    if kind == FieldDescriptor.CPPTYPE_FLOAT:
        return _read_float
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return _read_bool
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        return _enum_reader(field.enum_type)
    return _read_bytes if field.type == FieldDescriptor.TYPE_BYTES else _read_string


def key_reader(field: FieldDescriptor) -> Read:
    """Keys of maps are always strings in JSON."""
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return _read_bool_key
    return scalar_reader(field)


def scalar_writer(field: FieldDescriptor) -> Write | None:
    """None when the value is its own JSON value."""
    kind = field.cpp_type
    if kind in _LONG:
        return str
    if kind == FieldDescriptor.CPPTYPE_DOUBLE:
        return write_double
    if kind == FieldDescriptor.CPPTYPE_FLOAT:
        return write_float
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        return enum_writer(field.enum_type)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return write_bytes
    return None


def write_double(value: float) -> float | str:
    if value - value == 0:
        return value
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def write_float(value: float) -> float | str:
    """The fewest digits that give back the same 32 bits."""
    if value - value != 0:
        return write_double(value)
    for digits in ("%.7g", "%.8g"):
        short = float(digits % value)
        if abs(short) < _FLOAT32_LIMIT and _FLOAT32.unpack(_FLOAT32.pack(short))[0] == value:
            return short
    return float(f"{value:.9g}")


_FLOAT32 = struct.Struct("<f")


def write_bytes(value: bytes) -> str:
    return base64.b64encode(value).decode()


def enum_writer(enum: EnumDescriptor) -> Write:
    if enum.full_name == "google.protobuf.NullValue":
        return lambda number: None
    names = {value.number: value.name for value in reversed(enum.values)}
    return lambda number: names.get(number, number)


def _integer_reader(least: int, most: int) -> Read:
    def read(value: Any, path: str) -> int:
        number = value if type(value) is int else _integer(value, path)
        if not least <= number <= most:
            raise InvalidInput(path, f"must be from {least} to {most}")
        return number

    return read


def _integer(value: Any, path: str) -> int:
    if type(value) is float and value.is_integer():
        return int(value)
    if type(value) is str:
        # Longer texts are out of range for every type, and slow to read.
        if _INTEGER.fullmatch(value) and len(value) <= 40:
            return int(value)
        raise InvalidInput(path, "expected an integer, got other text")
    if type(value) is float:
        raise InvalidInput(path, "expected an integer, got a fraction")
    raise InvalidInput(path, expected("an integer", value))


def _read_double(value: Any, path: str) -> float:
    if type(value) is float:
        return value
    if type(value) is int:
        return float(value)
    if type(value) is not str:
        raise InvalidInput(path, expected("a number", value))
    if value in _SPECIAL:
        return _SPECIAL[value]
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    # Python also reads "nan", "inf" and what is too large, which ProtoJSON does not know.
    if not math.isfinite(number) or "_" in value or value.strip() != value:
        raise InvalidInput(path, "expected a number, got other text")
    return number


def _read_float(value: Any, path: str) -> float:
    number = _read_double(value, path)
    if abs(number) > FLOAT32_MAX and abs(number) != math.inf:
        raise InvalidInput(path, "is too large for 32 bits")
    return number


def _read_bool(value: Any, path: str) -> bool:
    if type(value) is not bool:
        raise InvalidInput(path, expected("true or false", value))
    return value


def _read_bool_key(value: str, path: str) -> bool:
    if value not in ("true", "false"):
        raise InvalidInput(path, "expected the key true or false")
    return value == "true"


def _read_string(value: Any, path: str) -> str:
    if type(value) is not str:
        raise InvalidInput(path, expected("a string", value))
    return value


def _read_bytes(value: Any, path: str) -> bytes:
    if type(value) is not str:
        raise InvalidInput(path, expected("a string of base64", value))
    try:
        text = value.encode("ascii").translate(_URL_SAFE).rstrip(b"=")
        return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise InvalidInput(path, "is not base64") from None


def _enum_reader(enum: EnumDescriptor) -> Read:
    numbers = {value.name: value.number for value in enum.values}
    is_null = enum.full_name == "google.protobuf.NullValue"
    read_number = _integer_reader(*_RANGES[FieldDescriptor.CPPTYPE_INT32])
    names = ", ".join(list(numbers)[:12])

    def read(value: Any, path: str) -> int:
        if is_null and value is None:
            return 0
        if type(value) is str:
            if value in numbers:
                return numbers[value]
            raise InvalidInput(path, f"expected one of {names}")
        if type(value) is not int:
            raise InvalidInput(path, expected("the name of a value", value))
        return int(read_number(value, path))

    return read
