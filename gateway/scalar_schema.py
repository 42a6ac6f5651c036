"""JSON schemas of what ProtoJSON writes as one value, or in a way of its own."""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

Schema = dict[str, Any]

BASE64 = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"

_FLOAT_MAX = 3.4028234663852886e38
_NOT_FINITE: Schema = {"type": "string", "enum": ["NaN", "Infinity", "-Infinity"]}
ANY_SCHEMA: Schema = {
    "type": "object",
    "properties": {"@type": {"type": "string", "description": "Type of the message."}},
    "required": ["@type"],
}


def scalar_schema(field: FieldDescriptor, incoming: bool, limited: bool = False) -> Schema:
    """The schema of a scalar that is sent (`incoming`) or answered.

    `limited`: rules bound the number, or it is written as text; then it has one form only.
    """
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_BOOL:
            return {"type": "boolean"}
        case FieldDescriptor.CPPTYPE_INT32:
            return {"format": "int32"} | _integer(-(2**31), 2**31 - 1)
        case FieldDescriptor.CPPTYPE_UINT32:
            return {"format": "uint32"} | _integer(0, 2**32 - 1)
        case FieldDescriptor.CPPTYPE_INT64:
            return _long("int64", -(2**63), 2**63 - 1, incoming, limited)
        case FieldDescriptor.CPPTYPE_UINT64:
            return _long("uint64", 0, 2**64 - 1, incoming, limited)
        case FieldDescriptor.CPPTYPE_DOUBLE | FieldDescriptor.CPPTYPE_FLOAT:
            number = _number(field, incoming)
            return number if limited else {"anyOf": [number, _NOT_FINITE]}
    if field.type == FieldDescriptor.TYPE_BYTES:
        return {"type": "string", "contentEncoding": "base64", "pattern": BASE64}
    return {"type": "string"}


def well_known_schema(message: Descriptor, incoming: bool, limited: bool = False) -> Schema | None:
    """The schema of a message that is not written as an object of its fields; else None."""
    package, _, name = message.full_name.rpartition(".")
    if message.full_name == "google.rpc.Status":
        return _status(incoming)
    if package != "google.protobuf":
        return None
    if name.endswith("Value") and "value" in message.fields_by_name:
        return scalar_schema(message.fields_by_name["value"], incoming, limited)
    return {
        "Any": ANY_SCHEMA,
        "Duration": {"type": "string", "pattern": r"^-?[0-9]{1,11}(\.[0-9]{1,9})?s$"},
        "Empty": {"type": "object", "additionalProperties": False},
        "FieldMask": {"type": "string", "pattern": "^[A-Za-z0-9.,]*$"},
        "ListValue": {"type": "array"},
        "Struct": {"type": "object"},
        "Timestamp": {"type": "string", "format": "date-time"},
        "Value": {},
    }.get(name)


def _integer(low: int, high: int) -> Schema:
    return {"type": "integer", "minimum": low, "maximum": high}


def _long(name: str, low: int, high: int, incoming: bool, limited: bool) -> Schema:
    """ProtoJSON writes 64 bits as a string, and reads a number as well."""
    sign = "-?" if low else ""
    if not incoming:
        return {"type": "string", "format": name, "pattern": f"^{sign}[0-9]{{1,20}}$"}
    number = {"format": name} | _integer(low, high)
    # Fewer digits than fit, for a pattern cannot hold the exact bound.
    text = {"type": "string", "pattern": f"^(0|{sign}[1-9][0-9]{{0,17}})$"}
    return number if limited else {"anyOf": [number, text]}


def _number(field: FieldDescriptor, incoming: bool) -> Schema:
    if field.cpp_type == FieldDescriptor.CPPTYPE_DOUBLE:
        return {"type": "number", "format": "double"}
    # What goes out is rounded to few digits, so that the largest float reads as a larger number.
    bounds = {"minimum": -_FLOAT_MAX, "maximum": _FLOAT_MAX} if incoming else {}
    return {"type": "number", "format": "float"} | bounds


def _status(incoming: bool) -> Schema:
    schema: Schema = {
        "type": "object",
        "properties": {
            "code": {"description": "A gRPC status code; 0 is OK."} | _integer(-(2**31), 2**31 - 1),
            "message": {"type": "string", "description": "What went wrong, for people."},
            "details": {"type": "array", "items": ANY_SCHEMA, "description": "More, for programs."},
        },
    }
    closed = {"additionalProperties": False}
    return schema | (closed if incoming else {"required": list(schema["properties"])})
