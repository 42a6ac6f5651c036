"""One binding of a method as an operation of an OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from gateway.comment import Comments
from gateway.dialect import answers_message
from gateway.error_schema import ERRORS, REQUEST_ID, SERVER_TIMING
from gateway.field_path import fields_along, leaves_of
from gateway.field_rules import required_fields
from gateway.intake import upload_in
from gateway.pattern import ANY, REST, Pattern, Variable
from gateway.protobuf_body import takes_message
from gateway.request import JSON, NDJSON, PROTOBUF
from gateway.routes import ALL_FIELDS, Binding
from gateway.scalar_schema import Schema
from gateway.schema import PATH_TEXT, Schemas
from gateway.stream_form import EVENTS
from gateway.upload_schema import upload_content, upload_text

Operation = dict[str, Any]
CALL_PARAMETERS = [
    {"$ref": "#/components/parameters/RequestId"},
    {"$ref": "#/components/parameters/RequestTimeout"},
]
"""What every call takes beside its fields."""


def call_parameters() -> dict[str, Schema]:
    """Components: those parameters."""
    request_id = "An id for this call; it comes back, and stands in every log. Made when absent."
    timeout = "Seconds that the caller waits; there is no more time than the method allows."
    return {
        "RequestId": {
            "name": "X-Request-Id",
            "in": "header",
            "description": request_id,
            "schema": {"type": "string"},
        },
        "RequestTimeout": {
            "name": "X-Request-Timeout",
            "in": "header",
            "description": timeout,
            "schema": {"type": "number", "exclusiveMinimum": 0},
        },
    }


# That a body is bytes, OpenAPI 3.1 says by a media type without a schema.
_SERIALISED: Schema = {PROTOBUF: {}}


@dataclass(frozen=True, slots=True)
class Gap:
    """A wildcard of a path: what a caller fills in."""

    name: str
    """Unique in its path."""
    variable: Variable | None
    whole: bool
    """Whether it is all of its variable's value."""


def gaps_of(pattern: Pattern) -> Iterator[Gap]:
    """The wildcards of a path, in order."""
    for index, segment in enumerate(pattern.segments):
        if segment in (ANY, REST):
            variable = _variable_at(pattern, index)
            covered = pattern.segments[variable.start : variable.stop] if variable else ()
            wildcards = [part for part in covered if part in (ANY, REST)]
            # Tools make identifiers of these names, or fill them in with str.format.
            name = variable.name.replace(".", "_") if variable else f"segment{index}"
            if len(wildcards) > 1 and variable:
                name += f"_{index - variable.start}"
            yield Gap(name + "_rest" * (segment == REST), variable, len(covered) == 1)


def openapi_path(pattern: Pattern, names: list[str]) -> str:
    """The path as OpenAPI writes it, with `names` for its wildcards."""
    fill = iter(names)
    parts = [f"{{{next(fill)}}}" if part in (ANY, REST) else part for part in pattern.segments]
    return f"/{'/'.join(parts)}" + (f":{pattern.verb}" if pattern.verb else "")


@dataclass(frozen=True, slots=True)
class Operations:
    """Writes operations; the schemas that they use are collected on the way."""

    comments: Comments
    requests: Schemas
    responses: Schemas

    def of(self, binding: Binding, operation_id: str, names: list[str]) -> Operation:
        """`names` are those of the path's wildcards."""
        descriptor = binding.method.descriptor
        comment = self.comments.of(descriptor.full_name)
        operation: Operation = {
            "operationId": operation_id,
            "summary": comment.summary or descriptor.name,
            "description": comment.description,
            "tags": [descriptor.containing_service.name],
        }
        if descriptor.GetOptions().deprecated:
            operation["deprecated"] = True
        operation["parameters"] = self.parameters(binding, names)
        if binding.body:
            operation["requestBody"] = self._request_body(binding)
        answer = {
            "description": self._answer_text(binding),
            "headers": REQUEST_ID | (SERVER_TIMING if binding.method.unary else {}),
            "content": self._answer(binding),
        }
        return operation | {"responses": {"200": answer} | ERRORS}

    def parameters(self, binding: Binding, names: list[str]) -> list[Schema]:
        """Of path, query and headers. `names` are those of the path's wildcards."""
        return [*self._path(binding, names), *self._query(binding), *CALL_PARAMETERS]

    def _path(self, binding: Binding, names: list[str]) -> Iterator[Schema]:
        for gap, name in zip(gaps_of(binding.pattern), names, strict=True):
            yield {"name": name, "in": "path", "required": True} | self._gap(binding, gap)

    def _gap(self, binding: Binding, gap: Gap) -> Schema:
        if gap.variable is None:
            return {"schema": {"type": "string"} | PATH_TEXT, "description": "Any text."}
        fields = fields_along(binding.method.descriptor.input_type, gap.variable.name)
        if gap.whole:
            return self._parameter(binding, fields, in_path=True)
        covered = "/".join(binding.pattern.segments[gap.variable.start : gap.variable.stop])
        text = f"Its part of {gap.variable.name}, which is {covered}. {self._text(fields[-1])}"
        return {"schema": {"type": "string"} | PATH_TEXT, "description": text.strip()}

    def _query(self, binding: Binding) -> Iterator[Schema]:
        request = binding.method.descriptor.input_type
        if binding.body == ALL_FIELDS:
            return
        required = required_fields(request)
        for fields in leaves_of(request):
            names = [field.name for field in fields]
            paths = [".".join(names[:end]) for end in range(1, len(names) + 1)]
            if not binding.taken.intersection(paths):
                place = {"name": paths[-1], "in": "query", "required": paths[-1] in required}
                yield place | self._parameter(binding, fields, in_path=False)

    def _parameter(
        self, binding: Binding, fields: tuple[FieldDescriptor, ...], in_path: bool
    ) -> Schema:
        schema: Schema = {"schema": self.requests.parameter(fields[-1], in_path)}
        if text := self._text(fields[-1]):
            schema["description"] = text
        if fields[-1].GetOptions().deprecated:
            schema["deprecated"] = True
        for example in self._examples(binding):
            value = _at(example, [field.name for field in fields])
            if value is not None:
                return schema | {"example": value}
        return schema

    def _request_body(self, binding: Binding) -> Schema:
        content = self._body(binding)
        upload = upload_in(binding)
        if upload is None:
            return {"required": True, "content": content}
        content |= upload_content(binding, upload, self.requests, self.comments)
        return {"required": True, "description": upload_text(upload), "content": content}

    def _body(self, binding: Binding) -> Schema:
        request = binding.method.descriptor.input_type
        given = [variable.name for variable in binding.pattern.variables]
        if binding.body and binding.body != ALL_FIELDS:
            schema = self.requests.field(request.fields_by_name[binding.body])
        elif given:
            schema = self.requests.object(request, given)
        else:
            schema = self.requests.of(request)
        examples = [_body_of(example, binding) for example in self._examples(binding)]
        content = _content(schema, binding.method.descriptor.client_streaming, examples)
        return content | (_SERIALISED if takes_message(binding) else {})

    def _answer(self, binding: Binding) -> Schema:
        response = binding.method.descriptor.output_type
        if binding.response_body:
            schema = self.responses.field(response.fields_by_name[binding.response_body])
        else:
            schema = self.responses.of(response)
        content = _content(schema, binding.method.descriptor.server_streaming)
        if binding.method.descriptor.server_streaming:
            return content | {EVENTS: {}}
        return content | (_SERIALISED if answers_message(binding) else {})

    def _answer_text(self, binding: Binding) -> str:
        comment = self.comments.of(binding.method.descriptor.output_type.full_name)
        return comment.description or "The answer."

    def _examples(self, binding: Binding) -> tuple[Any, ...]:
        return self.comments.of(binding.method.descriptor.input_type.full_name).examples

    def _text(self, field: FieldDescriptor) -> str:
        return self.comments.of(field.full_name).description


def _content(schema: Schema, streaming: bool, examples: list[Any] | None = None) -> Schema:
    if streaming:
        text = "JSON objects, one to a line, each as the items of this array."
        return {NDJSON: {"schema": {"type": "array", "items": schema, "description": text}}}
    named = {f"example{number}": {"value": value} for number, value in enumerate(examples or (), 1)}
    return {JSON: {"schema": schema} | ({"examples": named} if named else {})}


def _variable_at(pattern: Pattern, index: int) -> Variable | None:
    for variable in pattern.variables:
        if variable.start <= index and (variable.stop is None or index < variable.stop):
            return variable
    return None


def _body_of(example: Any, binding: Binding) -> Any:
    """The part of an example of a request that the body holds."""
    if binding.body != ALL_FIELDS:
        return _at(example, [str(binding.body)])
    rest = example
    for variable in binding.pattern.variables:
        rest = _without(rest, variable.name.split("."))
    return rest


def _at(example: Any, names: list[str]) -> Any:
    for name in names:
        example = example.get(name) if isinstance(example, dict) else None
    return example


def _without(example: Any, names: list[str]) -> Any:
    first, *rest = names
    if not isinstance(example, dict) or first not in example:
        return example
    others = {name: value for name, value in example.items() if name != first}
    return others | {first: _without(example[first], rest)} if rest else others
