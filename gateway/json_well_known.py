"""Well-known types, whose JSON is not an object of their fields.

Types are recognised by name, for they may come from any descriptor pool.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from google.protobuf import wrappers_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool

from gateway.json_scalar import (
    Refused,
    expected,
    key_place,
    scalar_reader,
    scalar_writer,
    write_double,
)

MAX_MESSAGE_DEPTH = 100
"""Receivers refuse what is nested deeper; an entry of a map counts as a message."""

Fill = Callable[[Any, Any, int], None]
"""Reads a JSON value into a message that stands so many messages deep; raises Refused."""
Write = Callable[[Any], Any]


def check_depth(depth: int) -> None:
    """For the message to be filled next."""
    if depth > MAX_MESSAGE_DEPTH:
        raise Refused(f"nested more than {MAX_MESSAGE_DEPTH} messages deep")


def type_at(url: str, pool: DescriptorPool) -> Descriptor | None:
    """The type of the message in a google.protobuf.Any; None when the pool does not know it."""
    name = url.rpartition("/")[2]
    try:
        descriptor = pool.FindMessageTypeByName(name)
    except KeyError:
        return None
    # The pool looks no further than the first NUL.
    return descriptor if descriptor.full_name == name else None


def fill_value(message: Any, value: Any, depth: int) -> None:
    """Any JSON value into a google.protobuf.Value."""
    kind = type(value)
    if kind is float or kind is int:
        message.number_value = _finite(value)
    elif kind is str:
        message.string_value = value
    elif kind is bool:
        message.bool_value = value
    elif value is None:
        message.null_value = 0
    elif kind is dict:
        message.struct_value.SetInParent()
        _fill_struct(message.struct_value, value, depth + 1)
    else:
        message.list_value.SetInParent()
        _fill_list(message.list_value, value, depth + 1)


def _fill_struct(message: Any, value: Any, depth: int) -> None:
    if type(value) is not dict:
        raise expected("an object", value)
    check_depth(depth + 2 if value else depth)
    fields = message.fields
    key = ""
    try:
        for key, item in value.items():
            fill_value(fields[key], item, depth + 2)
    except Refused as error:
        raise error.below(key_place(key)) from None


def _fill_list(message: Any, value: Any, depth: int) -> None:
    if type(value) is not list:
        raise expected("a list", value)
    check_depth(depth + 1 if value else depth)
    values = message.values
    try:
        for item in value:
            fill_value(values.add(), item, depth + 1)
    except Refused as error:
        raise error.below(f"[{len(values) - 1}]") from None


def _finite(value: float) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise Refused("must be finite")
    return number


def _write_value(message: Any) -> Any:
    kind = message.WhichOneof("kind")
    if kind == "number_value":
        # There is no JSON for NaN and infinities here, but an answer must not fail for one.
        return write_double(message.number_value)
    if kind == "string_value" or kind == "bool_value":
        return getattr(message, kind)
    if kind == "struct_value":
        return _write_struct(message.struct_value)
    if kind == "list_value":
        return _write_list(message.list_value)
    return None


def _write_struct(message: Any) -> dict[str, Any]:
    return {key: _write_value(item) for key, item in message.fields.items()}


def _write_list(message: Any) -> list[Any]:
    return [_write_value(item) for item in message.values[:]]


def _text_filler(example: str) -> Fill:
    """For types that are a string in JSON and know how to read it."""

    def fill(message: Any, value: Any, depth: int) -> None:
        if type(value) is not str:
            raise expected(f"a string such as {example!r}", value)
        try:
            message.FromJsonString(value)
        except (ValueError, OverflowError):
            raise Refused(f"expected a string such as {example!r}") from None

    return fill


def _write_text(message: Any) -> str:
    return str(message.ToJsonString())


def _wrapper_filler(field: FieldDescriptor) -> Fill:
    read = scalar_reader(field)

    def fill(message: Any, value: Any, depth: int) -> None:
        message.value = read(value)

    return fill


def _wrapper_writer(field: FieldDescriptor) -> Write:
    write = scalar_writer(field)
    if write is None:
        return lambda message: message.value
    return lambda message: write(message.value)


_WRAPPED = {
    descriptor.full_name: descriptor.fields_by_name["value"]
    for descriptor in wrappers_pb2.DESCRIPTOR.message_types_by_name.values()
}
_TEXTS = {
    "google.protobuf.Duration": "1.5s",
    "google.protobuf.FieldMask": "user.name,photo",
    "google.protobuf.Timestamp": "2026-01-31T12:00:00Z",
}

FILLERS: dict[str, Fill] = {
    "google.protobuf.Value": fill_value,
    "google.protobuf.Struct": _fill_struct,
    "google.protobuf.ListValue": _fill_list,
    **{name: _wrapper_filler(field) for name, field in _WRAPPED.items()},
    **{name: _text_filler(example) for name, example in _TEXTS.items()},
}
WRITERS: dict[str, Write] = {
    "google.protobuf.Value": _write_value,
    "google.protobuf.Struct": _write_struct,
    "google.protobuf.ListValue": _write_list,
    **{name: _wrapper_writer(field) for name, field in _WRAPPED.items()},
    **dict.fromkeys(_TEXTS, _write_text),
}
