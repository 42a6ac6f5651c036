"""Where a field stands in a request: "shelf.theme" is the theme of the shelf."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.descriptor import Descriptor, FieldDescriptor

# A request could nest itself without end; JSON readers and protobuf stop at 100.
MAX_DEPTH = 32

# Messages that ProtoJSON writes as one string, number or bool.
SCALAR_MESSAGES = frozenset(
    f"google.protobuf.{name}"
    for name in (
        "Timestamp", "Duration", "FieldMask", "BoolValue", "BytesValue", "DoubleValue",
        "FloatValue", "Int32Value", "Int64Value", "StringValue", "UInt32Value", "UInt64Value",
    )
)  # fmt: skip


def fields_along(message: Descriptor, path: str) -> tuple[FieldDescriptor, ...]:
    """The fields that lead to the one at `path`, itself last; none when there is no such field.

    Both the contract's names and their camelCase form are understood.
    """
    within: Descriptor | None = message
    fields: list[FieldDescriptor] = []
    for name in path.split(".", MAX_DEPTH):
        field = within and _field(within, name)
        if not field:
            return ()
        fields.append(field)
        within = message_in(field)
    return tuple(fields)


def leaves_of(message: Descriptor) -> Iterator[tuple[FieldDescriptor, ...]]:
    """Every field that text can be given for, with those that lead to it, itself last.

    A message inside itself is left out, or there would be no end.
    """
    yield from _leaves(message, (), frozenset())


def is_leaf(field: FieldDescriptor) -> bool:
    """Whether text can be given for it: scalars, enums, and lists of them."""
    return field.message_type is None or field.message_type.full_name in SCALAR_MESSAGES


def message_in(field: FieldDescriptor) -> Descriptor | None:
    """The message whose fields can be named below this one; None when it has no parts."""
    message = field.message_type
    if message is None or field.is_repeated or message.full_name.startswith("google."):
        return None
    return message


def _field(message: Descriptor, name: str) -> FieldDescriptor | None:
    found = message.fields_by_name.get(name)
    return found or next((field for field in message.fields if field.json_name == name), None)


def _leaves(
    message: Descriptor, above: tuple[FieldDescriptor, ...], outer: frozenset[str]
) -> Iterator[tuple[FieldDescriptor, ...]]:
    outer |= {message.full_name}
    for field in message.fields:
        if is_leaf(field):
            yield (*above, field)
        elif (inner := message_in(field)) and inner.full_name not in outer:
            yield from _leaves(inner, (*above, field), outer)
