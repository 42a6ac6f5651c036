"""JSON bodies to messages: ProtoJSON, read by functions compiled once from each descriptor."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import orjson
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from gateway.json_scalar import Refused, expected, key_place, key_reader, plain_check, scalar_reader
from gateway.json_text import undecodable_field
from gateway.json_well_known import FILLERS, Fill, check_depth, type_at
from mlmesh.runtime.errors import InvalidInput

MAX_DEPTH = 100
_NULL_IS_A_VALUE = ("google.protobuf.Value", "google.protobuf.NullValue")


def parse_json(raw: bytes) -> object:
    """The value of a JSON text; raises InvalidInput when it is none, or nested too deeply."""
    try:
        value: object = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        if field := undecodable_field(raw):
            raise InvalidInput(field, "not valid UTF-8, or half a surrogate pair") from None
        place = f"{error.msg.partition(':')[0]} at line {error.lineno} column {error.colno}"
        raise InvalidInput("body", f"not valid JSON: {place}") from None
    # A text cannot be deeper than it has brackets, so most need no walk.
    if len(raw) > MAX_DEPTH and raw.count(b"[") + raw.count(b"{") > MAX_DEPTH < _depth(value):
        raise InvalidInput("body", f"nested more than {MAX_DEPTH} deep")
    return value


class Reader:
    """Reads JSON values, as parse_json gives them, into messages of one type."""

    def __init__(self, descriptor: Descriptor) -> None:
        self._fill = _filler(descriptor)

    def fill(self, message: Message, value: object, path: str = "") -> None:
        """Read a value into an empty message; raises InvalidInput for the first thing wrong."""
        try:
            self._fill(message, value, 0)
        except Refused as error:
            place = error.below(path).place if path else error.place
            raise InvalidInput(place or "body", error.problem) from None


def reader_of(kind: type[Message]) -> Reader:
    """The reader for a message type of any pool."""
    return _reader(kind.DESCRIPTOR)


@cache
def _reader(descriptor: Descriptor) -> Reader:
    return Reader(descriptor)


@cache
def _filler(descriptor: Descriptor) -> Fill:
    if descriptor.full_name == "google.protobuf.Any":
        return _fill_any
    return FILLERS.get(descriptor.full_name) or _Object(descriptor).fill


class _Field(NamedTuple):
    name: str
    twin: str | None
    """The other spelling of the key, on one of the two."""
    oneof: str | None
    takes_null: bool
    """Null is a value; for other fields it means that the field is not set."""
    fill: Fill


class _Object:
    """Reads a JSON object into a message, field by field."""

    def __init__(self, descriptor: Descriptor) -> None:
        self._descriptor = descriptor
        self._fields: dict[str, _Field] = {}

    def fill(self, message: Message, value: Any, depth: int) -> None:
        if type(value) is not dict:
            raise expected("an object", value)
        fields = self._fields or self._compiled()
        oneofs: list[str] = []
        for key, item in value.items():
            try:
                name, twin, oneof, takes_null, fill = fields[key]
            except KeyError:
                raise Refused(self._unknown(key), key[:64]) from None
            if twin is not None and twin in value:
                raise Refused("given twice, in both spellings", name)
            if item is None and not takes_null:
                continue
            if oneof is not None:
                if oneof in oneofs:
                    raise Refused(f"only one field of {oneof} can be set", name)
                oneofs.append(oneof)
            try:
                fill(message, item, depth)
            except Refused as error:
                raise error.below(name) from None

    def _compiled(self) -> dict[str, _Field]:
        # Not at construction, because a message may hold itself.
        fields: dict[str, _Field] = {}
        for field in self._descriptor.fields:
            compiled = _compiled_field(field)
            fields.setdefault(field.name, compiled)
            if field.json_name != field.name:
                fields[field.json_name] = compiled._replace(twin=field.name)
        self._fields = fields
        return fields

    def _unknown(self, key: str) -> str:
        names = [field.name for field in self._descriptor.fields]
        close = difflib.get_close_matches(key[:64], names, n=1)
        if close:
            return f"no such field, did you mean {close[0]!r}?"
        if not names:
            return "no such field"
        more = ", ..." if len(names) > 12 else ""
        return f"no such field, there is {', '.join(names[:12])}{more}"


def _compiled_field(field: FieldDescriptor) -> _Field:
    oneof = field.containing_oneof
    # The oneof of an optional field has that field only.
    shared = oneof.name if oneof is not None and len(oneof.fields) > 1 else None
    kind = field.message_type or field.enum_type
    takes_null = kind is not None and kind.full_name in _NULL_IS_A_VALUE and not field.is_repeated
    return _Field(field.name, None, shared, takes_null, _field_filler(field))


def _field_filler(field: FieldDescriptor) -> Fill:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        entry = field.message_type.fields_by_name
        return _map_filler(field.name, entry["key"], entry["value"])
    if field.message_type is not None:
        fill = _filler(field.message_type)
        return (_messages_filler if field.is_repeated else _message_filler)(field, fill)
    return (_scalars_filler if field.is_repeated else _scalar_filler)(field)


def _scalar_filler(field: FieldDescriptor) -> Fill:
    name = field.name
    read = scalar_reader(field)

    def fill_scalar(message: Message, value: Any, depth: int) -> None:
        setattr(message, name, read(value))

    return fill_scalar


def _message_filler(field: FieldDescriptor, fill: Fill) -> Fill:
    name = field.name

    def fill_message(message: Message, value: Any, depth: int) -> None:
        check_depth(depth + 1)
        child = getattr(message, name)
        child.SetInParent()
        fill(child, value, depth + 1)

    return fill_message


def _scalars_filler(field: FieldDescriptor) -> Fill:
    name = field.name
    read = scalar_reader(field)
    is_plain = plain_check(field)

    def fill_scalars(message: Message, value: Any, depth: int) -> None:
        if type(value) is not list:
            raise expected("a list", value)
        items = getattr(message, name)
        if is_plain is not None and is_plain(value):
            items.extend(value)
            return
        try:
            for item in value:
                items.append(read(item))
        except Refused as error:
            raise error.below(f"[{len(items)}]") from None

    return fill_scalars


def _messages_filler(field: FieldDescriptor, fill: Fill) -> Fill:
    name = field.name

    def fill_messages(message: Message, value: Any, depth: int) -> None:
        if type(value) is not list:
            raise expected("a list", value)
        check_depth(depth + 1)
        items = getattr(message, name)
        try:
            for item in value:
                fill(items.add(), item, depth + 1)
        except Refused as error:
            raise error.below(f"[{len(items) - 1}]") from None

    return fill_messages


def _map_filler(name: str, key_field: FieldDescriptor, value_field: FieldDescriptor) -> Fill:
    read_key = key_reader(key_field)
    # Only other keys than strings have several spellings.
    unique = key_field.type == FieldDescriptor.TYPE_STRING
    put = _putter(value_field)

    def fill_map(message: Message, value: Any, depth: int) -> None:
        if type(value) is not dict:
            raise expected("an object", value)
        check_depth(depth + 1)
        items: Any = getattr(message, name)
        text = ""
        try:
            for text, item in value.items():
                key = read_key(text)
                if not unique and key in items:
                    raise Refused("given twice, in two spellings")
                put(items, key, item, depth + 2)
        except Refused as error:
            raise error.below(key_place(text)) from None

    return fill_map


def _putter(field: FieldDescriptor) -> Callable[[Any, Any, Any, int], None]:
    """Puts a JSON value into a map of messages or scalars."""
    if field.message_type is not None:
        fill = _filler(field.message_type)

        def put_message(items: Any, key: Any, value: Any, depth: int) -> None:
            check_depth(depth)
            fill(items[key], value, depth)

        return put_message
    read = scalar_reader(field)

    def put_scalar(items: Any, key: Any, value: Any, depth: int) -> None:
        items[key] = read(value)

    return put_scalar


def _fill_any(message: Any, value: Any, depth: int) -> None:
    if type(value) is not dict:
        raise expected("an object", value)
    if not value:
        return
    url = value.get("@type")
    if type(url) is not str:
        raise Refused("name the type of the message", "@type")
    descriptor = type_at(url, message.DESCRIPTOR.file.pool)
    if descriptor is None:
        raise Refused("no type of that name is known here", "@type")
    content = {key: item for key, item in value.items() if key != "@type"}
    inner: Any = GetMessageClass(descriptor)()
    fill = _filler(descriptor)
    check_depth(depth + 1)
    if fill is _fill_any or descriptor.full_name in FILLERS:
        _fill_content(fill, inner, content, depth + 1)
    else:
        fill(inner, content, depth + 1)
    if not inner.IsInitialized():
        raise Refused("lacks a field that its type requires")
    message.type_url = url
    message.value = inner.SerializeToString(deterministic=True)


def _fill_content(fill: Fill, inner: Message, content: dict[str, Any], depth: int) -> None:
    if content.keys() != {"value"}:
        raise Refused("a well-known type has its content in `value`")
    try:
        fill(inner, content["value"], depth)
    except Refused as error:
        raise error.below("value") from None


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
