"""Fields of a request that are given in the query string or the path.

Both are put into a tree of the shape that a JSON body has, so that one reader, which knows what
each field may be, reads them all.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.field_path import fields_along, is_leaf
from gateway.percent import decoded
from mlmesh.runtime.errors import InvalidInput

MAX_PAIRS = 512

_SHOWN = 64
_INT32 = re.compile("-?[0-9]{1,10}")
_BOOLS = {"true": True, "1": True, "false": False, "0": False}


def query_values(raw_query: bytes) -> list[tuple[str, str]]:
    """The pairs of a query string, decoded, in the order they were sent.

    Raises InvalidInput for more than MAX_PAIRS, wrong percent-encoding and what is not UTF-8.
    """
    if raw_query.count(b"&") >= MAX_PAIRS:
        raise InvalidInput("query", f"send at most {MAX_PAIRS} parameters")
    try:
        text = raw_query.decode()
    except UnicodeDecodeError:
        raise InvalidInput("query", "percent-encode text as UTF-8") from None
    return [_pair(piece) for piece in text.split("&") if piece]


def query_fields(
    request: Descriptor, pairs: Iterable[tuple[str, str]], taken: Collection[str] = ()
) -> dict[str, Any]:
    """The tree of the fields that a query gives: {"shelf": {"theme": "art"}, "ids": ["1", "2"]}.

    `taken` are the paths of fields that come from elsewhere, "*" when all do. Raises InvalidInput
    naming the parameter that is unknown, given twice, or of a type that a query cannot hold.
    """
    tree: dict[str, Any] = {}
    for name, text in pairs:
        fields = _parameter(request, name, taken)
        node = tree
        for field in fields[:-1]:
            node = node.setdefault(field.name, {})
        _add(node, fields[-1], name, text)
    return tree


def add_path_fields(
    tree: dict[str, Any], variables: Mapping[str, str], request: Descriptor
) -> None:
    """Put the variables of a path into a tree, which may come from a body.

    Raises InvalidInput when the tree has a different value for the same field already.
    """
    for path, text in variables.items():
        *above, field = _fields_of_variable(request, path)
        node = tree
        for outer in above:
            node = _object_in(node, outer)
        key = _key(node, field)
        known = node.get(key)
        value = _converted(field, path, text)
        if known is None:
            node[key] = value
        elif known != value and str(known) != text:
            raise InvalidInput(path, "the path gives another value; do not send it twice")


@cache
def _fields_of_variable(request: Descriptor, path: str) -> tuple[FieldDescriptor, ...]:
    """Routes have few variables, so that all can be kept; names in queries are made up."""
    return fields_along(request, path)


def _parameter(
    request: Descriptor, name: str, taken: Collection[str]
) -> tuple[FieldDescriptor, ...]:
    if "*" in taken:
        raise InvalidInput(shown(name), "no such parameter: send the fields in the body")
    fields = fields_along(request, name)
    if not fields:
        raise InvalidInput(shown(name), "no such parameter")
    if not is_leaf(fields[-1]):
        raise InvalidInput(name, "a query cannot hold this type")
    names = [field.name for field in fields]
    if any(".".join(names[:end]) in taken for end in range(1, len(names) + 1)):
        raise InvalidInput(name, "the path or the body gives it; do not send it in the query")
    return fields


def _add(node: dict[str, Any], field: FieldDescriptor, name: str, text: str) -> None:
    value = _converted(field, name, text)
    if field.is_repeated:
        node.setdefault(field.name, []).append(value)
    elif field.name in node:
        raise InvalidInput(name, "send it once")
    else:
        node[field.name] = value


def _converted(field: FieldDescriptor, name: str, text: str) -> Any:
    """What a JSON body would hold; numbers may stay text, for ProtoJSON reads them from strings."""
    if _is_bool(field):
        if text not in _BOOLS:
            raise InvalidInput(name, "expected true or false")
        return _BOOLS[text]
    if field.enum_type is not None and _INT32.fullmatch(text):
        return int(text)
    return text


def _is_bool(field: FieldDescriptor) -> bool:
    message = field.message_type
    return field.type == FieldDescriptor.TYPE_BOOL or (
        message is not None and message.full_name == "google.protobuf.BoolValue"
    )


def _object_in(node: dict[str, Any], field: FieldDescriptor) -> dict[str, Any]:
    """The object that a tree has for a field, put there when it has none."""
    key = _key(node, field)
    if node.get(key) is None:
        node[key] = {}
    inner = node[key]
    if not isinstance(inner, dict):
        raise InvalidInput(field.name, "expected an object")
    return inner


def _key(node: Mapping[str, Any], field: FieldDescriptor) -> str:
    """The name that a tree uses for a field: a body may have it in camelCase."""
    return field.json_name if field.json_name in node else field.name


def _pair(piece: str) -> tuple[str, str]:
    raw_name, _, raw_text = piece.replace("+", " ").partition("=")
    name = decoded(raw_name, "query")
    if not name:
        raise InvalidInput("query", "a parameter has no name")
    return name, decoded(raw_text, shown(name))


def shown(name: str) -> str:
    """A name from outside, short enough to be answered with."""
    return name if len(name) <= _SHOWN else name[:_SHOWN] + "..."
