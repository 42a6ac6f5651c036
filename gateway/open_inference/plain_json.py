"""Messages as JSON in the protocol's dialect: the contract's names, 64-bit integers as numbers."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from gateway.json_scalar import write_double, write_float

Write = Callable[[Any], Any]


def plain(message: Message) -> dict[str, Any]:
    """The JSON object of a message, zero values included."""
    return _write(message)


def _write(message: Any) -> dict[str, Any]:
    return {
        name: write(getattr(message, name))
        for name, has_presence, write in _fields(message.DESCRIPTOR)
        if not has_presence or message.HasField(name)
    }


@cache
def _fields(descriptor: Descriptor) -> list[tuple[str, bool, Write]]:
    return [(field.name, field.has_presence, _writer(field)) for field in descriptor.fields]


def _writer(field: FieldDescriptor) -> Write:
    one = _one(field)
    if not field.is_repeated:
        return one
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        value = _one(field.message_type.fields_by_name["value"])
        return lambda items: {str(key): value(items[key]) for key in items}
    return lambda items: [one(item) for item in items]


def _one(field: FieldDescriptor) -> Write:
    if field.message_type is not None:
        return _write
    if field.enum_type is not None:
        names = {value.number: value.name for value in field.enum_type.values}
        return lambda number: names.get(number, number)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return lambda value: value.decode("utf-8", "replace")
    if field.type == FieldDescriptor.TYPE_DOUBLE:
        return write_double
    if field.type == FieldDescriptor.TYPE_FLOAT:
        return write_float
    return lambda value: value
