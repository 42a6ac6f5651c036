"""Finds the text that made a serialised message unreadable, for a refusal that names its field."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

MOST_FIELDS = 16_384
"""Fields that are looked at; a message of millions of them must not cost seconds."""
MOST_DEPTH = 100
VARINT, FIXED64, LENGTH_DELIMITED, FIXED32 = 0, 1, 2, 5


class _Broken(Exception):
    """The bytes are no message at all."""


def undecodable_text(message: bytes, kind: Any) -> tuple[str, int] | None:
    """Path of the first string field that is no UTF-8, and the first byte that is not.

    kind: the message's descriptor. None when there is no such field among the first ones, or the
    bytes are broken in another way.
    """
    try:
        return _search(memoryview(message), kind, iter(range(MOST_FIELDS)), 0)
    except _Broken:
        return None


def _search(
    message: memoryview, kind: Any, budget: Iterator[int], depth: int
) -> tuple[str, int] | None:
    counts: dict[int, int] = {}
    for number, value in _delimited(message, budget):
        field = kind.fields_by_number.get(number)
        if field is None:
            continue
        index = counts[number] = counts.get(number, -1) + 1
        name = f"{field.name}[{index}]" if field.is_repeated else str(field.name)
        if field.type == FieldDescriptor.TYPE_STRING:
            if (place := _bad_byte(value)) is not None:
                return name, place
        elif field.type == FieldDescriptor.TYPE_MESSAGE and depth < MOST_DEPTH:
            found = _search(value, field.message_type, budget, depth + 1)
            if found is not None:
                return f"{name}.{found[0]}", found[1]
    return None


def _delimited(message: memoryview, budget: Iterator[int]) -> Iterator[tuple[int, memoryview]]:
    """Number and bytes of every length-delimited field."""
    at = 0
    while at < len(message):
        if next(budget, None) is None:
            raise _Broken
        tag, at = _varint(message, at)
        wire = tag & 7
        if wire == VARINT:
            _, at = _varint(message, at)
        elif wire == FIXED64:
            at += 8
        elif wire == FIXED32:
            at += 4
        elif wire == LENGTH_DELIMITED:
            length, at = _varint(message, at)
            if at + length > len(message):
                raise _Broken
            yield tag >> 3, message[at : at + length]
            at += length
        else:
            raise _Broken


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise _Broken
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise _Broken


def _bad_byte(value: memoryview) -> int | None:
    try:
        str(value, "utf-8")
    except UnicodeDecodeError as error:
        return error.start
    return None
