"""JSON bodies to messages: ProtoJSON, read by functions compiled once from each descriptor."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from functools import cache
from typing import Any

import orjson
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from gateway.json_scalar import NUMBERS, expected, key_reader, scalar_reader
from gateway.json_well_known import READERS
from mlmesh.runtime.errors import InvalidInput

MAX_DEPTH = 100

Fill = Callable[[Message, object, str], None]
"""Reads a JSON value into a message; the string is the path of the value in the body."""


def parse_json(raw: bytes) -> object:
    """The value of a JSON text; raises InvalidInput when it is none, or nested too deeply."""
    try:
        value: object = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise InvalidInput(
            "body", f"not valid JSON: {error.msg.partition(':')[0]} at {place}"
        ) from None
    # A text cannot be deeper than it has brackets, so most need no walk.
    if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise InvalidInput("body", f"nested more than {MAX_DEPTH} deep")
    return value


class Reader:
    """Reads JSON values into messages of one type."""

    def __init__(self, descriptor: Descriptor) -> None:
        self._fill = _fill_of(descriptor)

    def fill(self, message: Message, value: object, path: str = "") -> None:
        """Read a parsed value into `message`; raises InvalidInput for the first thing wrong."""
        self._fill(message, value, path)


def reader_of(kind: type[Message]) -> Reader:
    """The reader for a message type of any pool."""
    return _reader(kind.DESCRIPTOR)


@cache
def _reader(descriptor: Descriptor) -> Reader:
    return Reader(descriptor)


@cache
def _fill_of(descriptor: Descriptor) -> Fill:
    if descriptor.full_name in READERS:
        return READERS[descriptor.full_name]
    if descriptor.full_name == "google.protobuf.Any":
        return _fill_any
    return _Fields(descriptor)


class _Fields:
    """Reads a JSON object into a message, field by field."""

    def __init__(self, descriptor: Descriptor) -> None:
        self._name = descriptor.full_name
        self._descriptor = descriptor
        self._fields: dict[str, tuple[FieldDescriptor, Fill]] | None = None

    def __call__(self, message: Message, value: object, path: str) -> None:
        if type(value) is not dict:
            raise InvalidInput(path or "body", expected("an object", value))
        fields = self._fields or self._compiled()
        # Fields by number, and oneofs by name, that have been read: twice is ambiguous.
        seen: set[int | str] = set()
        for key, item in value.items():
            found = fields.get(key)
            if found is None:
                raise InvalidInput(_join(path, str(key)[:64]), self._unknown(key))
            field, fill = found
            if field.number in seen:
                raise InvalidInput(_join(path, field.name), "given twice, in both spellings")
            seen.add(field.number)
            if item is None and not _takes_null(field):
                continue
            if field.containing_oneof is not None:
                _once(seen, field, field.containing_oneof.name, path)
            fill(message, item, _join(path, field.name))

    def _compiled(self) -> dict[str, tuple[FieldDescriptor, Fill]]:
        # Not at construction, because a message may hold itself.
        fields: dict[str, tuple[FieldDescriptor, Fill]] = {}
        for field in self._descriptor.fields:
            fields[field.name] = fields[field.json_name] = (field, _field_filler(field))
        self._fields = fields
        return fields

    def _unknown(self, key: str) -> str:
        names = [field.name for field in self._descriptor.fields]
        close = difflib.get_close_matches(key[:64], names, n=1)
        if close:
            return f"no such field, did you mean {close[0]!r}?"
        return f"no such field, there is {', '.join(names)}" if names else "no such field"


def _once(seen: set[int | str], field: FieldDescriptor, oneof: str, path: str) -> None:
    if oneof in seen:
        raise InvalidInput(_join(path, field.name), f"only one field of {oneof} can be set")
    seen.add(oneof)


def _takes_null(field: FieldDescriptor) -> bool:
    """Null is a value for these; for every other field it means that the field is not set."""
    if field.is_repeated:
        return False
    message, enum = field.message_type, field.enum_type
    return (message is not None and message.full_name == "google.protobuf.Value") or (
        enum is not None and enum.full_name == "google.protobuf.NullValue"
    )


def _field_filler(field: FieldDescriptor) -> Fill:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return _map_filler(field)
    if field.is_repeated:
        return _repeated_filler(field)
    name = field.name
    if field.message_type is not None:
        fill = _fill_of(field.message_type)

        def fill_message(message: Message, value: object, path: str) -> None:
            child = getattr(message, name)
            child.SetInParent()
            fill(child, value, path)

        return fill_message
    read = scalar_reader(field)

    def fill_scalar(message: Message, value: object, path: str) -> None:
        setattr(message, name, read(value, path))

    return fill_scalar


def _repeated_filler(field: FieldDescriptor) -> Fill:
    name = field.name
    if field.message_type is not None:
        fill = _fill_of(field.message_type)

        def fill_messages(message: Message, value: object, path: str) -> None:
            items = getattr(message, name)
            for index, item in enumerate(_list(value, path)):
                fill(items.add(), _present(item, f"{path}[{index}]"), f"{path}[{index}]")

        return fill_messages
    read = scalar_reader(field)
    in_bulk = field.type == FieldDescriptor.TYPE_DOUBLE

    def fill_scalars(message: Message, value: object, path: str) -> None:
        values = _list(value, path)
        if in_bulk and NUMBERS.issuperset(map(type, values)):
            getattr(message, name).extend(values)
            return
        read_values = [
            read(_present(item, f"{path}[{index}]"), f"{path}[{index}]")
            for index, item in enumerate(values)
        ]
        getattr(message, name).extend(read_values)

    return fill_scalars


def _map_filler(field: FieldDescriptor) -> Fill:
    name = field.name
    assert field.message_type is not None
    entry = field.message_type.fields_by_name
    read_key = key_reader(entry["key"])
    value_field = entry["value"]
    fill = None if value_field.message_type is None else _fill_of(value_field.message_type)
    read = None if fill else scalar_reader(value_field)
    takes_null = _takes_null(value_field)

    def fill_map(message: Message, value: object, path: str) -> None:
        if type(value) is not dict:
            raise InvalidInput(path, expected("an object", value))
        items: Any = getattr(message, name)
        for text, item in value.items():
            at = f'{path}["{text[:64]}"]'
            key = read_key(text, at)
            if item is None and not takes_null:
                raise InvalidInput(at, "null is no value here")
            if fill is not None:
                fill(items[key], item, at)
            elif read is not None:
                items[key] = read(item, at)

    return fill_map


def _fill_any(message: Any, value: object, path: str) -> None:
    if type(value) is not dict:
        raise InvalidInput(path or "body", expected("an object", value))
    if not value:
        return
    url = value.get("@type")
    if type(url) is not str:
        raise InvalidInput(_join(path, "@type"), "name the type of the message")
    pool = message.DESCRIPTOR.file.pool
    try:
        descriptor = pool.FindMessageTypeByName(url.rpartition("/")[2])
    except KeyError:
        raise InvalidInput(_join(path, "@type"), "no type of that name is known here") from None
    content = {key: item for key, item in value.items() if key != "@type"}
    inner = GetMessageClass(descriptor)()
    if descriptor.full_name in READERS or descriptor.full_name == "google.protobuf.Any":
        if set(content) != {"value"}:
            raise InvalidInput(path or "body", "a well-known type has its content in `value`")
        _fill_of(descriptor)(inner, content["value"], _join(path, "value"))
    else:
        _fill_of(descriptor)(inner, content, path)
    message.type_url = url
    message.value = inner.SerializeToString()


def _list(value: object, path: str) -> list[Any]:
    if type(value) is not list:
        raise InvalidInput(path, expected("a list", value))
    return value


def _present(item: object, path: str) -> object:
    # A Value can be null itself; its reader is not asked, for json_format refuses it here as well.
    if item is None:
        raise InvalidInput(path, "null is no value here")
    return item


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _depth(value: object) -> int:
    """How deep lists and objects are nested, counted level by level."""
    depth = 0
    level = [value]
    while level := [item for item in level if type(item) in (dict, list)]:
        depth += 1
        level = [child for item in level for child in _children(item)]
    return depth


def _children(item: Any) -> Any:
    return item.values() if type(item) is dict else item
