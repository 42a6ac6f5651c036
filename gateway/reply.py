"""Messages to JSON: ProtoJSON, written by functions compiled once from each descriptor.

Names are the contract's own (snake_case) and zero values are written.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import orjson
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from gateway.json_scalar import scalar_writer, write_bytes
from gateway.json_well_known import WRITERS

Write = Callable[[Any], Any]


def render(message: Message) -> bytes:
    """The JSON text of a message."""
    return orjson.dumps(writer_of(type(message))(message))


def writer_of(kind: type[Message]) -> Write:
    """Gives the JSON-ready object of messages of one type, of any pool."""
    return _writer(kind.DESCRIPTOR)


@cache
def _writer(descriptor: Descriptor) -> Write:
    if descriptor.full_name in WRITERS:
        return WRITERS[descriptor.full_name]
    if descriptor.full_name == "google.protobuf.Any":
        return _write_any
    return _Fields(descriptor)


class _Fields:
    """Writes a message as an object of its fields."""

    def __init__(self, descriptor: Descriptor) -> None:
        self._descriptor = descriptor
        # What is always there, and what is there only when it has been set.
        self._always: list[tuple[str, Write | None]] | None = None
        self._present: list[tuple[str, Write | None]] = []

    def __call__(self, message: Message) -> dict[str, Any]:
        always = self._compiled() if self._always is None else self._always
        written = {}
        for name, write in always:
            value = getattr(message, name)
            written[name] = value if write is None else write(value)
        for name, write in self._present:
            if message.HasField(name):
                value = getattr(message, name)
                written[name] = value if write is None else write(value)
        return written

    def _compiled(self) -> list[tuple[str, Write | None]]:
        # Not at construction, because a message may hold itself.
        always: list[tuple[str, Write | None]] = []
        self._present = []
        for field in self._descriptor.fields:
            entry = (field.name, _field_writer(field))
            (self._present if field.has_presence else always).append(entry)
        self._always = always
        return always


def _field_writer(field: FieldDescriptor) -> Write | None:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return _map_writer(field)
    one = _one_writer(field)
    if not field.is_repeated:
        return one
    if one is None:
        return list
    if field.type == FieldDescriptor.TYPE_DOUBLE:
        return _doubles_writer(one)
    return lambda values: [one(value) for value in values]


def _one_writer(field: FieldDescriptor) -> Write | None:
    return scalar_writer(field) if field.message_type is None else _writer(field.message_type)


def _doubles_writer(one: Write) -> Write:
    def write(values: Any) -> list[Any]:
        total = sum(values)
        # A sum is finite only if all of its terms are.
        return list(values) if total - total == 0 else [one(value) for value in values]

    return write


def _map_writer(field: FieldDescriptor) -> Write:
    assert field.message_type is not None
    entry = field.message_type.fields_by_name
    write_key = _write_bool_key if entry["key"].type == FieldDescriptor.TYPE_BOOL else str
    one = _one_writer(entry["value"])
    if one is None:
        return lambda items: {write_key(key): value for key, value in items.items()}
    return lambda items: {write_key(key): one(value) for key, value in items.items()}


def _write_bool_key(key: bool) -> str:
    return "true" if key else "false"


def _write_any(message: Any) -> dict[str, Any]:
    if not message.type_url:
        return {}
    name = message.type_url.rpartition("/")[2]
    try:
        descriptor = message.DESCRIPTOR.file.pool.FindMessageTypeByName(name)
    except KeyError:
        # Of a contract that is not known here: an answer must not fail for a detail of it.
        return {"@type": message.type_url, "value": write_bytes(message.value)}
    inner = GetMessageClass(descriptor).FromString(message.value)
    written = _writer(descriptor)(inner)
    if name in WRITERS or name == "google.protobuf.Any":
        return {"@type": message.type_url, "value": written}
    return {"@type": message.type_url, **written}
