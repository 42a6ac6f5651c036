"""Well-known types, whose JSON is not an object of their fields.

Types are recognised by name, for they may come from any descriptor pool.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from gateway.json_scalar import expected, scalar_reader, scalar_writer, write_double
from mlmesh.runtime.errors import InvalidInput

Fill = Callable[[Any, Any, str], None]
Write = Callable[[Any], Any]


def fill_value(message: Any, value: Any, path: str) -> None:
    """Any JSON value into a google.protobuf.Value."""
    kind = type(value)
    if kind is str:
        message.string_value = value
    elif kind is float or kind is int:
        message.number_value = _finite(value, path)
    elif kind is bool:
        message.bool_value = value
    elif value is None:
        message.null_value = 0
    elif kind is dict:
        message.struct_value.SetInParent()
        fill_struct(message.struct_value, value, path)
    else:
        message.list_value.SetInParent()
        fill_list(message.list_value, value, path)


def fill_struct(message: Any, value: Any, path: str) -> None:
    if type(value) is not dict:
        raise InvalidInput(path or "body", expected("an object", value))
    fields = message.fields
    for key, item in value.items():
        fill_value(fields[key], item, f'{path}["{key[:64]}"]')


def fill_list(message: Any, value: Any, path: str) -> None:
    if type(value) is not list:
        raise InvalidInput(path or "body", expected("a list", value))
    for index, item in enumerate(value):
        fill_value(message.values.add(), item, f"{path}[{index}]")


def write_value(message: Any) -> Any:
    kind = message.WhichOneof("kind")
    if kind == "number_value":
        # json_format refuses NaN and infinities here; an answer must not fail for one.
        return write_double(message.number_value)
    if kind == "struct_value":
        return write_struct(message.struct_value)
    if kind == "list_value":
        return write_list(message.list_value)
    return None if kind in (None, "null_value") else getattr(message, kind)


def write_struct(message: Any) -> dict[str, Any]:
    return {key: write_value(item) for key, item in message.fields.items()}


def write_list(message: Any) -> list[Any]:
    return [write_value(item) for item in message.values]


def _finite(value: float, path: str) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise InvalidInput(path, "must be finite")
    return number


def _fill_text(example: str) -> Fill:
    """For types that are a string in JSON and know how to read it."""

    def fill(message: Any, value: Any, path: str) -> None:
        if type(value) is not str:
            raise InvalidInput(path, expected(f"a string such as {example!r}", value))
        try:
            message.FromJsonString(value)
        except (ValueError, OverflowError, AttributeError):
            raise InvalidInput(path, f"expected a string such as {example!r}") from None

    return fill


def _fill_wrapper(message: Any, value: Any, path: str) -> None:
    if value is not None:
        message.value = scalar_reader(message.DESCRIPTOR.fields_by_name["value"])(value, path)


def _write_wrapper(message: Any) -> Any:
    write = scalar_writer(message.DESCRIPTOR.fields_by_name["value"])
    return message.value if write is None else write(message.value)


def _write_text(message: Any) -> str:
    return str(message.ToJsonString())


_WRAPPERS = (
    "BoolValue", "BytesValue", "DoubleValue", "FloatValue", "Int32Value", "Int64Value",
    "StringValue", "UInt32Value", "UInt64Value",
)  # fmt: skip
_TEXTS = {
    "Duration": "1.5s",
    "FieldMask": "user.name,photo",
    "Timestamp": "2026-01-31T12:00:00Z",
}

READERS: dict[str, Fill] = {
    "google.protobuf.Value": fill_value,
    "google.protobuf.Struct": fill_struct,
    "google.protobuf.ListValue": fill_list,
    **{f"google.protobuf.{name}": _fill_wrapper for name in _WRAPPERS},
    **{f"google.protobuf.{name}": _fill_text(example) for name, example in _TEXTS.items()},
}
WRITERS: dict[str, Write] = {
    "google.protobuf.Value": write_value,
    "google.protobuf.Struct": write_struct,
    "google.protobuf.ListValue": write_list,
    **{f"google.protobuf.{name}": _write_wrapper for name in _WRAPPERS},
    **dict.fromkeys((f"google.protobuf.{name}" for name in _TEXTS), _write_text),
}
