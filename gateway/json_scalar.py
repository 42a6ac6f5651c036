"""Scalars between JSON and messages: numbers, strings, bytes, enums and the keys of maps."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable, Collection
from typing import Any

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

from gateway.shortest_float import shortest_float

Read = Callable[[Any], Any]
"""Gives the field's value for a JSON value; raises Refused."""
Write = Callable[[Any], Any]
"""Gives the JSON value for a field's value."""

NUMBERS = frozenset({int, float})
_BOOLS = frozenset({bool})
_STRINGS = frozenset({str})
# Half a step above the largest float32: what lies below rounds to it. The largest one itself is
# written as 3.4028235e+38, which is a little more than it is.
_FLOAT32_LIMIT = 3.4028235677973366e38
_MAX_INTEGER_TEXT = 40
_INTEGER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_KIND = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "a list"}
_URL_SAFE = bytes.maketrans(b"-_", b"+/")

_INT32 = (-(2**31), 2**31 - 1)
_RANGES = {
    FieldDescriptor.CPPTYPE_INT32: _INT32,
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
_LONG = (FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64)


class Refused(Exception):
    """A value that cannot be read; every container that holds it adds where it stands."""

    def __init__(self, problem: str, place: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.place = place

    def below(self, parent: str) -> Refused:
        """The same problem, seen from what holds the value as `parent`."""
        dot = "." if self.place and not self.place.startswith("[") else ""
        self.place = f"{parent}{dot}{self.place}"
        return self


def expected(what: str, value: object) -> Refused:
    """The refusal of a value that has the wrong JSON type."""
    found = "null" if value is None else _KIND.get(type(value), "an object")
    return Refused(f"expected {what}, got {found}")


def key_place(key: str) -> str:
    """How a key of a map stands in paths: what a caller made up is cut short."""
    return f'["{key[:64]}"]'


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
    if field.enum_type is not None:
        return _enum_reader(field.enum_type)
    return _read_bytes if field.type == FieldDescriptor.TYPE_BYTES else _read_string


def key_reader(field: FieldDescriptor) -> Read:
    """Keys of maps are always strings in JSON."""
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return _read_bool_key
    return scalar_reader(field)


def plain_check(field: FieldDescriptor) -> Callable[[Collection[Any]], bool] | None:
    """Tells whether all of a list can be stored as it is; None when each item has to be read."""
    kind = field.cpp_type
    if kind in _RANGES:
        least, most = _RANGES[kind]
        return lambda values: (
            set(map(type, values)) == {int} and (least <= min(values) and max(values) <= most)
        )
    if kind == FieldDescriptor.CPPTYPE_DOUBLE:
        return lambda values: NUMBERS.issuperset(map(type, values))
    if kind == FieldDescriptor.CPPTYPE_FLOAT:
        return lambda values: (
            NUMBERS.issuperset(map(type, values))
            and (not values or (min(values) > -_FLOAT32_LIMIT and max(values) < _FLOAT32_LIMIT))
        )
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return lambda values: _BOOLS.issuperset(map(type, values))
    if field.type == FieldDescriptor.TYPE_STRING:
        return lambda values: _STRINGS.issuperset(map(type, values))
    return None


def scalar_writer(field: FieldDescriptor) -> Write | None:
    """None when the value is its own JSON value."""
    kind = field.cpp_type
    if kind in _LONG:
        return str
    if kind == FieldDescriptor.CPPTYPE_DOUBLE:
        return write_double
    if kind == FieldDescriptor.CPPTYPE_FLOAT:
        return write_float
    if field.enum_type is not None:
        return _enum_writer(field.enum_type)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return write_bytes
    return None


def write_double(value: float) -> float | str:
    if value - value == 0:
        return value
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def write_float(value: float) -> float | str:
    """The fewest digits, at least six, that give back the same 32 bits."""
    return shortest_float(value) if value - value == 0 else write_double(value)


def numbers_writer(field: FieldDescriptor) -> Write:
    """Writes all of a list of doubles or floats at once."""
    is_float = field.type == FieldDescriptor.TYPE_FLOAT
    one = write_float if is_float else write_double

    def write(values: Any) -> list[Any]:
        numbers: list[float] = values[:]
        total = sum(numbers)
        # A sum is finite only if all of its terms are.
        if total - total != 0:
            return [one(number) for number in numbers]
        return [shortest_float(number) for number in numbers] if is_float else numbers

    return write


def write_bytes(value: bytes) -> str:
    return binascii.b2a_base64(value, newline=False).decode()


def _enum_writer(enum: EnumDescriptor) -> Write:
    if enum.full_name == "google.protobuf.NullValue":
        return lambda number: None
    names = {value.number: value.name for value in reversed(enum.values)}
    return lambda number: names.get(number, number)


def _integer_reader(least: int, most: int) -> Read:
    def read(value: Any) -> int:
        number = value if type(value) is int else _integer(value)
        if not least <= number <= most:
            raise Refused(f"must be from {least} to {most}")
        return number

    return read


def _integer(value: Any) -> int:
    if type(value) is str:
        return _integer_of_text(value)
    if type(value) is not float:
        raise expected("an integer", value)
    if not value.is_integer():
        raise Refused("expected an integer, got a fraction")
    if value == -(2.0**63):
        # Integers below the 64-bit range arrive rounded to this number.
        raise Refused("is too small to be read exactly; send it as a string")
    return int(value)


def _integer_of_text(text: str) -> int:
    # Longer ones are out of every range unless they are padded, and slow to read.
    if len(text) <= _MAX_INTEGER_TEXT:
        if _INTEGER.fullmatch(text):
            return int(text)
        if _NUMBER.fullmatch(text) and (number := float(text)).is_integer():
            return int(number)
    raise Refused("expected an integer, got other text")


def _read_double(value: Any) -> float:
    kind = type(value)
    if kind is float or kind is int:
        return float(value)
    if kind is not str:
        raise expected("a number", value)
    if value in _SPECIAL:
        return _SPECIAL[value]
    if not _NUMBER.fullmatch(value):
        raise Refused("expected a number, got other text")
    number = float(value)
    if math.isinf(number):
        raise Refused("is too large for 64 bits")
    return number


def _read_float(value: Any) -> float:
    number = _read_double(value)
    if _FLOAT32_LIMIT <= abs(number) < math.inf:
        raise Refused("is too large for 32 bits")
    return number


def _read_bool(value: Any) -> bool:
    if type(value) is not bool:
        raise expected("true or false", value)
    return value


def _read_bool_key(value: str) -> bool:
    if value not in ("true", "false"):
        raise Refused("expected the key true or false")
    return value == "true"


def _read_string(value: Any) -> str:
    if type(value) is not str:
        raise expected("a string", value)
    return value


def _read_bytes(value: Any) -> bytes:
    if type(value) is not str:
        raise expected("a string of base64", value)
    try:
        text = value.encode("ascii").translate(_URL_SAFE).rstrip(b"=")
        return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise Refused("is not base64") from None


def _enum_reader(enum: EnumDescriptor) -> Read:
    numbers = {value.name: value.number for value in enum.values}
    known = frozenset(numbers.values())
    is_null = enum.full_name == "google.protobuf.NullValue"
    read_number = _integer_reader(*_INT32)
    choice = f"expected one of {', '.join(list(numbers)[:12])}"

    def read(value: Any) -> int:
        if type(value) is str and value in numbers:
            return numbers[value]
        if value is None and is_null:
            return 0
        if type(value) is str and not _INTEGER.fullmatch(value):
            raise Refused(choice)
        if type(value) not in (str, *NUMBERS):
            raise expected("the name of a value", value)
        number: int = read_number(value)
        if enum.is_closed and number not in known:
            raise Refused(choice)
        return number

    return read
