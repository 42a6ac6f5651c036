"""Rules of a contract (buf.validate) as keywords of JSON Schema.

What JSON Schema cannot say is left out: a document promises less than the services check, never
more.
"""

from __future__ import annotations

import re
from typing import Any

from buf.validate import validate_pb2
from google.protobuf.descriptor import (
    Descriptor,
    EnumDescriptor,
    FieldDescriptor,
    OneofDescriptor,
)
from google.protobuf.descriptor_pb2 import FieldOptions, OneofOptions
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from protovalidate import Validator

from gateway.scalar_schema import Schema

Rules = validate_pb2.FieldRules

_NUMBERS = frozenset(
    ("float", "double", "int32", "int64", "uint32", "uint64", "sint32", "sint64",
     "fixed32", "fixed64", "sfixed32", "sfixed64")
)  # fmt: skip
_KEYWORDS = {
    "const": "const",
    "in": "enum",
    "gt": "exclusiveMinimum",
    "gte": "minimum",
    "lt": "exclusiveMaximum",
    "lte": "maximum",
    "min_len": "minLength",
    "max_len": "maxLength",
    "min_items": "minItems",
    "max_items": "maxItems",
    "unique": "uniqueItems",
    "min_pairs": "minProperties",
    "max_pairs": "maxProperties",
}
_FORMATS = {
    "email": "email",
    "hostname": "hostname",
    "ipv4": "ipv4",
    "ipv6": "ipv6",
    "uri": "uri",
    "uri_ref": "uri-reference",
    "uuid": "uuid",
}
_PATTERNS = {"pattern": "{}", "prefix": "^{}", "suffix": "{}$", "contains": "{}"}

_validator = Validator()


def rules_of(field: FieldDescriptor) -> Rules:
    # Descriptors of another pool have options classes of their own, which lack our extensions.
    options = FieldOptions.FromString(field.GetOptions().SerializeToString())
    rules: Rules = options.Extensions[validate_pb2.field]
    return Rules() if rules.ignore == validate_pb2.IGNORE_ALWAYS else rules


def ignored_if_zero(rules: Rules) -> bool:
    return bool(rules.ignore == validate_pb2.IGNORE_IF_ZERO_VALUE)


def required_oneof(oneof: OneofDescriptor) -> bool:
    options = OneofOptions.FromString(oneof.GetOptions().SerializeToString())
    return bool(options.Extensions[validate_pb2.oneof].required)


def required_fields(message: Descriptor) -> list[str]:
    """The fields without which a message breaks a rule, found by checking an empty one."""
    violations = _validator.collect_violations(GetMessageClass(message)())
    paths = [violation.proto.field.elements for violation in violations if violation.proto.field]
    names = {path[0].field_name for path in paths if len(path) == 1}
    return [field.name for field in message.fields if field.name in names]


def limits_number(rules: Rules) -> bool:
    """Whether a number that keeps the rules must be finite and is written as a number."""
    kind = rules.WhichOneof("type")
    return kind in _NUMBERS and bool(getattr(rules, kind).ListFields())


def keywords_of(rules: Rules) -> Schema:
    """The keywords that hold a value, list or map to the rules."""
    kind = rules.WhichOneof("type")
    if kind is None:
        return {}
    stated = _stated(getattr(rules, kind))
    if kind == "string":
        return _plain(stated) | _text(stated)
    if kind == "bytes":
        # Base64 has four characters for up to three bytes, so this is up to two bytes too lenient.
        names = {"min_len": "minLength", "max_len": "maxLength"}
        return {names[rule]: -(-stated[rule] // 3) * 4 for rule in names if rule in stated}
    if kind in _NUMBERS:
        return _range(_plain(stated))
    return _plain(stated) if kind in ("bool", "repeated", "map") else {}


def lengths_of(field: FieldDescriptor) -> Schema:
    """The least and the most bytes of a field, or of each of a list, that come as they are."""
    rules = rules_of(field)
    stated = _stated((rules.repeated.items if field.is_repeated else rules).bytes)
    names = {"min_len": "minLength", "max_len": "maxLength"}
    return {names[rule]: stated[rule] for rule in names if rule in stated}


def allowed_names(enum: EnumDescriptor, rules: Rules) -> list[str]:
    """The names of an enum's values that the rules allow."""
    values = [(value.name, value.number) for value in enum.values]
    stated = _stated(rules.enum)
    if "const" in stated:
        values = [value for value in values if value[1] == stated["const"]]
    if "in" in stated:
        values = [value for value in values if value[1] in stated["in"]]
    refused = stated.get("not_in", ())
    return [name for name, number in values if number not in refused]


def _stated(rules: Message) -> dict[str, Any]:
    return {field.name: value for field, value in rules.ListFields()}


def _plain(stated: dict[str, Any]) -> Schema:
    schema = {
        _KEYWORDS[rule]: list(value) if rule == "in" else value
        for rule, value in stated.items()
        if rule in _KEYWORDS
    }
    if "not_in" in stated:
        schema["not"] = {"enum": list(stated["not_in"])}
    return schema


def _text(stated: dict[str, Any]) -> Schema:
    schema: Schema = {}
    if "len" in stated:
        schema |= {"minLength": stated["len"], "maxLength": stated["len"]}
    patterns = [
        form.format(stated[rule] if rule == "pattern" else re.escape(stated[rule]))
        for rule, form in _PATTERNS.items()
        if rule in stated
    ]
    if patterns:
        schema["pattern"], *more = patterns
        schema |= {"allOf": [{"pattern": pattern} for pattern in more]} if more else {}
    formats = [form for rule, form in _FORMATS.items() if stated.get(rule)]
    return schema | ({"format": formats[0]} if formats else {})


def _range(schema: Schema) -> Schema:
    """An upper bound below the lower one means outside of both."""
    bounds = ("exclusiveMinimum", "minimum", "exclusiveMaximum", "maximum")
    low = [schema[name] for name in bounds[:2] if name in schema]
    high = [schema[name] for name in bounds[2:] if name in schema]
    if low and high and high[0] < low[0]:
        either = [{name: schema[name]} for name in bounds if name in schema]
        rest = {name: value for name, value in schema.items() if name not in bounds}
        return rest | {"anyOf": either}
    return schema
