"""Messages to JSON: ProtoJSON, written by functions compiled once from each descriptor.

Names are the contract's own (snake_case) and zero values are written.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import orjson
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from gateway.json_scalar import numbers_writer, scalar_writer, write_bytes
from gateway.json_well_known import WRITERS, type_at

Write = Callable[[Any], Any]


def render(message: Message) -> bytes:
    """The JSON text of a message."""
    return orjson.dumps(_writer(message.DESCRIPTOR)(message))


def render_field(message: Message, name: str) -> bytes:
    """The JSON text of one field of a message."""
    write = _field_writer(message.DESCRIPTOR.fields_by_name[name])
    value = getattr(message, name)
    return orjson.dumps(value if write is None else write(value))


def writer_of(kind: type[Message]) -> Write:
    """Gives the JSON-ready object of messages of one type, of any pool."""
    return _writer(kind.DESCRIPTOR)


@cache
def _writer(descriptor: Descriptor) -> Write:
    if descriptor.full_name in WRITERS:
        return WRITERS[descriptor.full_name]
    if descriptor.full_name == "google.protobuf.Any":
        return _write_any
    return _Object(descriptor).write


class _Object:
    """Writes a message as an object of its fields, in the contract's order."""

    def __init__(self, descriptor: Descriptor) -> None:
        self._descriptor = descriptor
        self._fields: list[tuple[str, Write | None, bool]] = []

    def write(self, message: Message) -> dict[str, Any]:
        written = {}
        for name, write, is_optional in self._fields or self._compiled():
            if is_optional and not message.HasField(name):
                continue
            if write is None:
                written[name] = getattr(message, name)
            else:
                written[name] = write(getattr(message, name))
        return written

    def _compiled(self) -> list[tuple[str, Write | None, bool]]:
        # Not at construction, because a message may hold itself.
        self._fields = [
            (field.name, _field_writer(field), field.has_presence)
            for field in self._descriptor.fields
        ]
        return self._fields


@cache
def _field_writer(field: FieldDescriptor) -> Write | None:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return _map_writer(field)
    one = _one_writer(field)
    if not field.is_repeated:
        return one
    # A slice is the fastest way to the items.
    if one is None:
        return lambda values: values[:]
    if field.type in (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT):
        return numbers_writer(field)
    return lambda values: [one(value) for value in values[:]] if values else []


def _one_writer(field: FieldDescriptor) -> Write | None:
    return scalar_writer(field) if field.message_type is None else _writer(field.message_type)


def _map_writer(field: FieldDescriptor) -> Write:
    assert field.message_type is not None
    entry = field.message_type.fields_by_name
    one = _one_writer(entry["value"]) or _as_it_is
    # Empty maps are frequent, and to go through them is not free.
    if entry["key"].type == FieldDescriptor.TYPE_STRING:
        return lambda items: {key: one(items[key]) for key in items} if items else {}
    write_key = _write_bool_key if entry["key"].type == FieldDescriptor.TYPE_BOOL else str
    return lambda items: {write_key(key): one(items[key]) for key in items}


def _as_it_is(value: Any) -> Any:
    return value


def _write_bool_key(key: bool) -> str:
    return "true" if key else "false"


def _write_any(message: Any) -> dict[str, Any]:
    url = message.type_url
    if not url and not message.value:
        return {}
    try:
        return {"@type": url, **_content(message)}
    except (ValueError, DecodeError):
        # Of a contract that is not known here, or broken: an answer must not fail for a detail.
        return {"@type": url, "value": write_bytes(message.value)}


def _content(message: Any) -> dict[str, Any]:
    descriptor = type_at(message.type_url, message.DESCRIPTOR.file.pool)
    if descriptor is None:
        raise ValueError("of a type that is not known here")
    inner = GetMessageClass(descriptor).FromString(message.value)
    write = _writer(descriptor)
    written: dict[str, Any] = write(inner)
    is_well_known = write is _write_any or descriptor.full_name in WRITERS
    return {"value": written} if is_well_known else written
