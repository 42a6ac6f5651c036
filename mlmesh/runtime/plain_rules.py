"""Lets messages pass that keep to plain field rules, sooner than the library would.

It knows lengths, bounds, finite numbers and enums. Where a message has other rules, or may break
one, protovalidate has the word: this never refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import isfinite
from typing import Any

from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

Passes = Callable[[Any], bool]


class _Unknown(Exception):
    """A rule that is not known here."""


def plain_rules(kind: Any) -> Passes | None:
    """What says whether a message certainly keeps to all its rules; None when some are not known.

    kind: the descriptor of its type.
    """
    try:
        return _message(kind, ())
    except _Unknown:
        return None


def _message(kind: Descriptor, around: tuple[Descriptor, ...]) -> Passes:
    oneofs = (oneof.GetOptions().HasExtension(validate_pb2.oneof) for oneof in kind.oneofs)
    if kind in around or kind.GetOptions().HasExtension(validate_pb2.message) or any(oneofs):
        raise _Unknown
    checks = [
        (field.name, passes) for field in kind.fields for passes in _field(field, (*around, kind))
    ]

    def passes(message: Message) -> bool:
        for name, check in checks:  # noqa: SIM110 a generator costs more than the checks
            if not check(getattr(message, name)):
                return False
        return True

    return passes


def _field(field: FieldDescriptor, around: tuple[Descriptor, ...]) -> Iterator[Passes]:
    rules = field.GetOptions().Extensions[validate_pb2.field]
    if rules.ignore == validate_pb2.IGNORE_ALWAYS:
        return
    stated = _stated(rules)
    if field.is_repeated:
        yield from _many(field, stated, around)
    elif field.message_type is not None:
        if stated:
            raise _Unknown
        # One that is not there reads as an empty one; if that breaks a rule, the library is asked.
        yield _message(field.message_type, around)
    elif stated:
        if field.has_presence:
            raise _Unknown
        yield from _value(field, stated)


def _many(
    field: FieldDescriptor, stated: dict[str, Any], around: tuple[Descriptor, ...]
) -> Iterator[Passes]:
    kind: Any = field.message_type
    is_map = kind is not None and kind.GetOptions().map_entry
    rules = _stated(stated.pop("map" if is_map else "repeated", validate_pb2.RepeatedRules()))
    least, most = ("min_pairs", "max_pairs") if is_map else ("min_items", "max_items")
    if least in rules or most in rules:
        yield _length(rules.pop(least, 0), rules.pop(most, None))
    one = rules.pop("values" if is_map else "items", validate_pb2.FieldRules())
    if stated or rules:
        raise _Unknown
    if one.ignore == validate_pb2.IGNORE_ALWAYS:
        return
    value = kind.fields_by_name["value"] if is_map else field
    of_one = _stated(one)
    if value.message_type is not None:
        if of_one:
            # Of a duration, say: those are not numbers here.
            raise _Unknown
        checks = [_message(value.message_type, around)]
    else:
        checks = list(_value(value, of_one))
    for check in checks:
        yield _each_value(check) if is_map else _each(check)


def _each(check: Passes) -> Passes:
    return lambda values: all(map(check, values))


def _each_value(check: Passes) -> Passes:
    return lambda values: all(map(check, values.values()))


def _value(field: FieldDescriptor, stated: dict[str, Any]) -> Iterator[Passes]:
    for kind, rules in stated.items():
        known = _stated(rules) if isinstance(rules, Message) else {}
        if kind in ("string", "bytes") and known.keys() <= {"min_len", "max_len"}:
            yield _length(known.get("min_len", 0), known.get("max_len"))
        elif kind in ("float", "double") and known == {"finite": True}:
            yield isfinite
        elif kind == "enum" and known == {"defined_only": True}:
            enum: Any = field.enum_type
            yield frozenset(enum.values_by_number).__contains__
        elif len(known) == 1 and known.keys() <= _BOUNDS.keys():
            ((bound, limit),) = known.items()
            yield _BOUNDS[bound](limit)
        else:
            raise _Unknown


_BOUNDS: dict[str, Callable[[Any], Passes]] = {
    "lt": lambda limit: lambda value: value < limit,
    "lte": lambda limit: lambda value: value <= limit,
    "gt": lambda limit: lambda value: value > limit,
    "gte": lambda limit: lambda value: value >= limit,
}


def _length(least: int, most: int | None) -> Passes:
    if most is None:
        return lambda value: len(value) >= least
    return lambda value: least <= len(value) <= most


def _stated(rules: Message) -> dict[str, Any]:
    """What is set in rules, by name."""
    if len(UnknownFieldSet(rules)):
        raise _Unknown
    found = {}
    for field, value in rules.ListFields():
        if field.is_extension:
            raise _Unknown
        found[field.name] = value
    return found
