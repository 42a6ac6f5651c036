"""JSON schemas of messages, as ProtoJSON reads and writes them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from google.protobuf.descriptor import (
    Descriptor,
    EnumDescriptor,
    FieldDescriptor,
    OneofDescriptor,
)

from gateway.comment import Comments
from gateway.field_rules import (
    Rules,
    allowed_names,
    ignored_if_zero,
    keywords_of,
    limits_number,
    required_fields,
    required_oneof,
    rules_of,
)
from gateway.scalar_schema import Schema, scalar_schema, well_known_schema

COMPONENTS = "#/components/schemas/"

# A control character in a path is refused.
PATH_TEXT: Schema = {"minLength": 1, "pattern": r"^[^\x00-\x1f\x7f-\x9f]+$"}


class Schemas:
    """The schemas of messages in one direction, collected as components.

    What comes in has rules, takes 64-bit numbers in two forms and refuses unknown fields. What goes
    out has all fields that cannot be absent.
    """

    def __init__(
        self, comments: Comments, incoming: bool, apart_from: Collection[str] = ()
    ) -> None:
        """`apart_from`: component names that mean the other direction."""
        self.components: dict[str, Schema] = {}
        self._comments = comments
        self._incoming = incoming
        self._apart_from = apart_from

    def of(self, message: Descriptor) -> Schema:
        """A reference to the message's component, or its schema when it has a special form."""
        known = well_known_schema(message, self._incoming)
        if known is not None:
            return known
        name = message.full_name + (".Input" if message.full_name in self._apart_from else "")
        if name not in self.components:
            # There before it is filled, for a message may hold itself.
            self.components[name] = {}
            self.components[name].update(self.object(message))
        return {"$ref": COMPONENTS + name}

    def object(self, message: Descriptor, without: Collection[str] = ()) -> Schema:
        """The message itself, without the fields at some paths."""
        fields = [field for field in message.fields if field.name not in without]
        schema: Schema = {
            "type": "object",
            "properties": {field.name: self._part(field, without) for field in fields},
        }
        if description := self._description(message.full_name):
            schema["description"] = description
        required = set(self._required(message)) - set(without)
        if required:
            schema["required"] = [field.name for field in fields if field.name in required]
        if choices := [_choice(oneof) for oneof in message.oneofs if _is_choice(oneof, without)]:
            schema["allOf"] = choices
        return schema | ({"additionalProperties": False} if self._incoming else {})

    def field(self, field: FieldDescriptor) -> Schema:
        rules = rules_of(field) if self._incoming else Rules()
        schema = self._value(field, rules)
        if rules.required and not field.has_presence:
            schema = _not_zero(field) | schema
        if ignored_if_zero(rules):
            schema = {"anyOf": [schema, {"const": _zero(field)}]}
        return schema | self._documentation(field)

    def parameter(self, field: FieldDescriptor, in_path: bool) -> Schema:
        """A field that is written as text; one of a path is never empty."""
        rules = rules_of(field)
        limits = keywords_of(rules)
        if field.is_repeated:
            items = self._single(field, rules.repeated.items, as_text=True)
            return {"type": "array", "items": items} | limits
        schema = self._single(field, rules, as_text=True)
        if in_path and schema.get("type") == "string":
            schema = PATH_TEXT | schema
        return schema

    def _part(self, field: FieldDescriptor, without: Collection[str]) -> Schema:
        prefix = f"{field.name}."
        inner = [name.removeprefix(prefix) for name in without if name.startswith(prefix)]
        if not inner or field.message_type is None:
            return self.field(field)
        return self.object(field.message_type, inner) | self._documentation(field)

    def _value(self, field: FieldDescriptor, rules: Rules) -> Schema:
        if not field.is_repeated:
            return self._single(field, rules)
        entry = _map_entry(field)
        if entry is None:
            items = self._single(field, rules.repeated.items)
            return {"type": "array", "items": items} | keywords_of(rules)
        key, value = entry.fields
        schema = {"type": "object", "additionalProperties": self._single(value, rules.map.values)}
        names = _key_schema(key, rules.map.keys)
        return schema | ({"propertyNames": names} if names else {}) | keywords_of(rules)

    def _single(self, field: FieldDescriptor, rules: Rules, as_text: bool = False) -> Schema:
        limited = as_text or limits_number(rules)
        limits = keywords_of(rules)
        if field.enum_type is not None:
            return self._enum(field.enum_type, rules)
        if field.message_type is None:
            return scalar_schema(field, self._incoming, limited) | limits
        known = well_known_schema(field.message_type, self._incoming, limited)
        return self.of(field.message_type) if known is None else known | limits

    def _enum(self, enum: EnumDescriptor, rules: Rules) -> Schema:
        if enum.full_name == "google.protobuf.NullValue":
            return {"type": "null"}
        if rules.WhichOneof("type") == "enum":
            return {"type": "string", "enum": allowed_names(enum, rules)}
        names = [value.name for value in enum.values]
        meanings = [self._description(f"{enum.full_name}.{name}") for name in names]
        text = [f"- {name}: {meaning}" for name, meaning in zip(names, meanings, strict=True)]
        description = "\n".join([self._description(enum.full_name), "", *text]).strip()
        self.components[enum.full_name] = {
            "type": "string",
            "enum": names,
            "description": description,
        }
        return {"$ref": COMPONENTS + enum.full_name}

    def _required(self, message: Descriptor) -> list[str]:
        if self._incoming:
            return required_fields(message)
        # These are always answered, zero or not.
        return [field.name for field in message.fields if not field.has_presence]

    def _documentation(self, field: FieldDescriptor) -> Schema:
        description = self._description(field.full_name)
        schema: Schema = {"description": description} if description else {}
        return schema | ({"deprecated": True} if field.GetOptions().deprecated else {})

    def _description(self, full_name: str) -> str:
        return self._comments.of(full_name).description


def _is_choice(oneof: OneofDescriptor, without: Collection[str]) -> bool:
    """Whether there is more than one to choose from, and the choice has not been made elsewhere."""
    return len(oneof.fields) > 1 and not any(field.name in without for field in oneof.fields)


def _choice(oneof: OneofDescriptor) -> Schema:
    given: list[Schema] = [{"required": [field.name]} for field in oneof.fields]
    return {"oneOf": given if required_oneof(oneof) else [*given, {"not": {"anyOf": given}}]}


def _key_schema(key: FieldDescriptor, rules: Rules) -> Schema:
    """JSON has only text as keys, whatever type the map's are."""
    if key.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return keywords_of(rules)
    if key.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return {"enum": ["true", "false"]}
    return {"pattern": "^(0|-?[1-9][0-9]{0,8})$"}


def _map_entry(field: FieldDescriptor) -> Descriptor | None:
    """The key and the value of a map; None for other fields."""
    message = field.message_type
    return message if message is not None and message.GetOptions().map_entry else None


def _not_zero(field: FieldDescriptor) -> Schema:
    if field.is_repeated:
        return {"minProperties": 1} if _map_entry(field) else {"minItems": 1}
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return {"minLength": 1}
    return {"not": {"const": _zero(field)}}


def _zero(field: FieldDescriptor) -> Any:
    if field.is_repeated:
        return {} if _map_entry(field) else []
    if field.enum_type is not None:
        return field.enum_type.values[0].name
    zeros = {FieldDescriptor.CPPTYPE_STRING: "", FieldDescriptor.CPPTYPE_BOOL: False}
    return zeros.get(field.cpp_type, 0)
