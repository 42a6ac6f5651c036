"""Bodies of an OpenAPI operation that hold bytes as they are: forms, and raw ones."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.descriptor import FieldDescriptor

from gateway.comment import Comments
from gateway.field_path import leaves_of
from gateway.field_rules import keywords_of, lengths_of, rules_of
from gateway.form import FORM
from gateway.intake import media_types_of
from gateway.request import JSON
from gateway.routes import Binding
from gateway.scalar_schema import Schema
from gateway.schema import Schemas
from gateway.upload import OCTETS
from mlmesh.runtime.upload import Upload


def upload_text(upload: Upload) -> str:
    """How to send a body, for people."""
    if upload.many:
        return f"As JSON, or as a form with a part named {upload.field} for each of {upload.field}."
    return (
        f"As JSON, as a form with {upload.field} as a part, or as the bytes of {upload.field}, "
        "with the other fields in the query string."
    )


def upload_content(
    binding: Binding, upload: Upload, requests: Schemas, comments: Comments
) -> dict[str, Schema]:
    """The bodies beside JSON, by media type."""
    file = _file(binding, upload)
    types = {kind: {"schema": file} for kind in media_types_of(binding) if kind != JSON}
    return types | {FORM: _form(binding, upload, requests, comments)}


def _form(binding: Binding, upload: Upload, requests: Schemas, comments: Comments) -> Schema:
    file = _file(binding, upload)
    field = binding.method.descriptor.input_type.fields_by_name[upload.field]
    many: Schema = {"type": "array", "items": file} | keywords_of(rules_of(field))
    files = many if upload.many else file
    properties = {upload.field: _part(files, field, comments)}
    for name, field in _texts(binding, upload):
        properties[name] = _part(requests.parameter(field, in_path=False), field, comments)
    schema = {
        "type": "object",
        "properties": properties,
        "required": [upload.field],
        "additionalProperties": False,
    }
    kinds = ", ".join((*upload.media_types, OCTETS))
    return {"schema": schema, "encoding": {upload.field: {"contentType": kinds}}}


def _file(binding: Binding, upload: Upload) -> Schema:
    field = binding.method.descriptor.input_type.fields_by_name[upload.field]
    return {"type": "string", "contentMediaType": OCTETS} | lengths_of(field)


def _texts(binding: Binding, upload: Upload) -> Iterator[tuple[str, FieldDescriptor]]:
    """The parts that are no file, with their names."""
    elsewhere = {upload.field, *(variable.name for variable in binding.pattern.variables)}
    for fields in leaves_of(binding.method.descriptor.input_type):
        names = [field.name for field in fields]
        paths = [".".join(names[:end]) for end in range(1, len(names) + 1)]
        if not elsewhere.intersection(paths):
            yield paths[-1], fields[-1]


def _part(schema: Schema, field: FieldDescriptor, comments: Comments) -> Schema:
    text = comments.of(field.full_name).description
    return schema | ({"description": text} if text else {})
