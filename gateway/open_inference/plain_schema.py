"""JSON schemas of messages in the protocol's dialect, as `plain_json` writes them."""

from __future__ import annotations

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.comment import Comments
from gateway.scalar_schema import Schema
from gateway.schema import COMPONENTS

_INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
_FLOATS = (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT)


class PlainSchemas:
    """The schemas of messages, collected as components."""

    def __init__(self, comments: Comments) -> None:
        self.components: dict[str, Schema] = {}
        self._comments = comments

    def of(self, message: Descriptor) -> Schema:
        """A reference to the message's component."""
        name = message.full_name
        if name not in self.components:
            self.components[name] = self._object(message)
        return {"$ref": COMPONENTS + name}

    def _object(self, message: Descriptor) -> Schema:
        properties = {
            field.name: self._field(field) | self._text(field.full_name) for field in message.fields
        }
        always = [field.name for field in message.fields if not field.has_presence]
        schema: Schema = {"type": "object", "properties": properties}
        required = {"required": always} if always else {}
        return schema | self._text(message.full_name) | required

    def _field(self, field: FieldDescriptor) -> Schema:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            value = field.message_type.fields_by_name["value"]
            return {"type": "object", "additionalProperties": self._one(value)}
        one = self._one(field)
        return {"type": "array", "items": one} if field.is_repeated else one

    def _one(self, field: FieldDescriptor) -> Schema:
        if field.message_type is not None:
            return self.of(field.message_type)
        if field.enum_type is not None:
            return {"type": "string", "enum": [value.name for value in field.enum_type.values]}
        if field.cpp_type in _INTEGERS:
            low, high = _INTEGERS[field.cpp_type]
            return {"type": "integer", "minimum": low, "maximum": high}
        if field.cpp_type in _FLOATS:
            return {"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]}
        return {"type": "boolean" if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL else "string"}

    def _text(self, full_name: str) -> Schema:
        text = self._comments.of(full_name).description
        return {"description": text} if text else {}
