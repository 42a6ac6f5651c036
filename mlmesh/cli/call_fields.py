"""Values of the command line as fields of a request, the way its contract describes them."""

from __future__ import annotations

import base64
import difflib
import json
from collections.abc import Iterable, Sequence
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message

from mlmesh.cli.call_arguments import BadCall, content_of, text_of
from mlmesh.cli.call_bytes import decoded

WHOLE = {
    FieldDescriptor.CPPTYPE_INT32,
    FieldDescriptor.CPPTYPE_INT64,
    FieldDescriptor.CPPTYPE_UINT32,
    FieldDescriptor.CPPTYPE_UINT64,
}
BROKEN = {FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE}
VALUE = "google.protobuf.Value"
SWITCH = {"true": True, "false": False}


def request_of(
    kind: type[Message], fields: Iterable[tuple[str, str | None]], pool: DescriptorPool
) -> Message:
    """A request with these fields; raises BadCall naming the option."""
    request = kind()
    given: dict[str, list[str | None]] = {}
    for name, value in fields:
        given.setdefault(name, []).append(value)
    for name, values in given.items():
        field = _field(kind, name)
        try:
            fill(request, {name: _json_of(field, values)}, pool)
        except (ValueError, json_format.ParseError) as error:
            raise BadCall(f"--{name}: {_reason(error)}") from None
    return request


def requests_of(kind: type[Message], body: str, pool: DescriptorPool) -> list[Message]:
    """Requests out of JSON: one object, a list of them, or one on every line; raises BadCall."""
    requests = []
    try:
        for said in _objects(body):
            requests.append(kind())
            fill(requests[-1], said, pool)
    except (ValueError, json_format.ParseError) as error:
        raise BadCall(f"--body: {_reason(error)}") from None
    return requests


def fill(message: Message, said: Any, pool: DescriptorPool) -> None:
    """Read ProtoJSON into a message; raises json_format.ParseError."""
    json_format.ParseDict(said, message, descriptor_pool=pool)


def _field(kind: type[Message], name: str) -> Any:
    known = kind.DESCRIPTOR.fields_by_name
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean --{close[0]}?" if close else f"it has {', '.join(known)}"
        raise BadCall(f"--{name}: the request has no such field, {hint}")
    return known[name]


def _json_of(field: Any, values: Sequence[str | None]) -> Any:
    """The field's value in ProtoJSON; raises ValueError."""
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return _map_of(field, values)
    if field.is_repeated:
        return [one for value in values for one in _items_of(field, value)]
    if len(values) > 1:
        raise ValueError("it is given twice, but holds one value")
    return _one_of(field, values[0])


def _items_of(field: Any, value: str | None) -> list[Any]:
    """What one option adds to a list: numbers between commas, the lines of a file, or one item."""
    if field.type == FieldDescriptor.TYPE_BYTES:
        return [_one_of(field, value)]
    text = _text(field, value)
    if field.message_type is not None or (text.startswith("[") and field.cpp_type not in _TEXTS):
        said = json.loads(text)
        return list(said) if isinstance(said, list) else [said]
    if field.cpp_type in WHOLE | BROKEN:
        return [_scalar(field, part.strip()) for part in text.split(",")]
    if (value or "").startswith("@") and not (value or "").startswith("@@"):
        return [line for line in text.splitlines() if line]
    return [_scalar(field, text)]


def _map_of(field: Any, values: Sequence[str | None]) -> dict[str, Any]:
    """JSON objects, or `name=value`."""
    entries = field.message_type.fields_by_name
    found: dict[str, Any] = {}
    for value in values:
        text = _text(field, value)
        if text.lstrip().startswith("{"):
            found.update(json.loads(text))
            continue
        name, equals, said = text.partition("=")
        if not equals:
            raise ValueError("expected name=value or a JSON object")
        found[name] = _one_of(entries["value"], said)
    return found


def _one_of(field: Any, value: str | None) -> Any:
    if field.type == FieldDescriptor.TYPE_BYTES and value is not None:
        content = content_of(field.name, value) if value.startswith("@") else decoded(value)
        return base64.b64encode(content).decode()
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL and value is None:
        return True
    text = _text(field, value)
    if field.message_type is None:
        return _scalar(field, text)
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        if field.message_type.full_name == VALUE:
            return text
        raise


def _text(field: Any, value: str | None) -> str:
    if value is None:
        raise ValueError("give a value")
    return text_of(field.name, value)


def _scalar(field: Any, text: str) -> Any:
    if field.cpp_type in WHOLE:
        return int(text)
    if field.cpp_type in BROKEN:
        return text if text.lower() in ("nan", "infinity", "-infinity") else float(text)
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        if text.lower() not in SWITCH:
            raise ValueError(f"expected true or false, got {text[:40]!r}")
        return SWITCH[text.lower()]
    if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
        return _enum_value(field.enum_type, text)
    return text


_TEXTS = {FieldDescriptor.CPPTYPE_STRING}


def _enum_value(enum: Any, text: str) -> str:
    """The value of this name; what all names begin with may be left out."""
    names = [value.name for value in enum.values]
    wanted = text.upper().replace("-", "_")
    for name in names:
        if name == wanted or name.endswith(f"_{wanted}"):
            return str(name)
    raise ValueError(f"{text[:40]!r} is none of {', '.join(names)}")


def _objects(body: str) -> list[Any]:
    try:
        said = json.loads(body)
    except json.JSONDecodeError:
        lines = [line for line in body.splitlines() if line.strip()]
        if len(lines) < 2:
            raise
        return [json.loads(line) for line in lines]
    return said if isinstance(said, list) else [said]


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
