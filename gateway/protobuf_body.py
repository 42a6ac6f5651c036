"""Bodies that are serialised messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from google.protobuf.message import DecodeError, Message

from gateway.body import reader_of
from gateway.dialect import is_message
from gateway.field_path import fields_along
from gateway.query import add_path_fields, query_fields, query_values
from gateway.routes import ALL_FIELDS, Binding, Match
from gateway.varint import varint
from mlmesh.runtime.errors import InvalidInput
from mlmesh.runtime.wire_text import undecodable_text

_LENGTH_DELIMITED = 2


def takes_message(binding: Binding) -> bool:
    """Whether the body of a request is a message, so that protobuf can write it by itself."""
    if binding.body is None or binding.method.descriptor.client_streaming:
        return False
    if binding.body == ALL_FIELDS:
        return True
    return is_message(binding.method.descriptor.input_type.fields_by_name[binding.body])


def serialised_message(match: Match, query: bytes, body: Sequence[bytes]) -> bytes:
    """The request message of such a body; the path and the query give the other fields.

    Raises InvalidInput as for JSON: for bytes that are no message, and for a field that the path
    gives as well, with another value.
    """
    binding = match.binding
    written = b"".join(body)
    pairs = query_values(query) if query else []
    if binding.body == ALL_FIELDS:
        query_fields(binding.method.descriptor.input_type, pairs, binding.taken)
    else:
        written = _as_field(binding, written)
    message = _parsed(binding.method.request, written)
    if not match.variables and not pairs:
        return written
    others = _others(match, [] if binding.body == ALL_FIELDS else pairs)
    for path in match.variables:
        _check_same(message, others, path)
    # One message behind another is both of them merged; the large one is not written again.
    return written + others.SerializeToString()


def _as_field(binding: Binding, body: bytes) -> bytes:
    field = binding.method.descriptor.input_type.fields_by_name[str(binding.body)]
    return b"".join((varint(field.number << 3 | _LENGTH_DELIMITED), varint(len(body)), body))


def _parsed(kind: type[Message], written: bytes) -> Message:
    try:
        return kind.FromString(written)
    except DecodeError:
        found = undecodable_text(written, kind.DESCRIPTOR)
        if found is not None:
            raise InvalidInput(found[0], f"byte {found[1]} is not valid UTF-8") from None
        raise InvalidInput("body", f"not a serialised {kind.DESCRIPTOR.full_name}") from None


def _others(match: Match, pairs: list[tuple[str, str]]) -> Message:
    """What the path and the query give."""
    method = match.binding.method
    fields = method.descriptor.input_type
    tree = query_fields(fields, pairs, match.binding.taken)
    add_path_fields(tree, match.variables, fields)
    message = method.request()
    reader_of(method.request).fill(message, tree)
    return message


def _check_same(message: Any, others: Any, path: str) -> None:
    """Raises InvalidInput when both say something of a field, and not the same."""
    *above, field = fields_along(message.DESCRIPTOR, path)
    for outer in above:
        message, others = getattr(message, outer.name), getattr(others, outer.name)
    oneof = field.containing_oneof
    if oneof is not None and message.WhichOneof(oneof.name) not in (None, field.name):
        raise InvalidInput(path, f"only one field of {oneof.name} can be set")
    value = getattr(message, field.name)
    is_set = message.HasField(field.name) if field.has_presence else value != field.default_value
    if is_set and value != getattr(others, field.name):
        raise InvalidInput(path, "the path gives another value; do not send it twice")
