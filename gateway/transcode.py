"""HTTP requests to messages and back, as the binding of the route says."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message

from gateway.body import parse_json, reader_of
from gateway.query import add_path_fields, query_fields, query_values
from gateway.reply import render, render_field, writer_of
from gateway.routes import ALL_FIELDS, Binding, Match
from mlmesh.runtime.errors import InvalidInput


def serialised_request(match: Match, query: bytes, body: bytes) -> bytes:
    """The request message of an HTTP request; raises InvalidInput."""
    parsed = _parsed(match.binding, body) if body else None
    message = message_of(match, query_values(query) if query else [], parsed)
    return message.SerializeToString()


def serialised_lines(match: Match, query: bytes, body: bytes, most: int) -> list[bytes]:
    """The request messages of a body with one JSON value a line; raises InvalidInput."""
    messages: list[bytes] = []
    pairs = query_values(query) if query else []
    for number, line in enumerate(body.splitlines(), 1):
        if not line.strip():
            continue
        if len(messages) == most:
            raise InvalidInput("body", f"send at most {most} lines in one request")
        try:
            message = message_of(match, pairs, _parsed(match.binding, line))
        except InvalidInput as error:
            raise InvalidInput(f"line {number}", error.message) from None
        messages.append(message.SerializeToString())
    if not messages:
        raise InvalidInput("body", "send one JSON object a line, at least one")
    return messages


def message_of(match: Match, query: list[tuple[str, str]], body: object) -> Message:
    """A request message from parsed parts. body: None when there is none."""
    binding = match.binding
    method = binding.method
    message = method.request()
    tree = _tree(binding, query, body)
    if match.variables:
        add_path_fields(tree, match.variables, method.descriptor.input_type)
    reader_of(type(message)).fill(message, tree)
    return message


def answer_of(binding: Binding, response: bytes) -> bytes:
    """The JSON of a serialised response."""
    message = binding.method.response.FromString(response)
    if binding.response_body is None:
        return render(message)
    return render_field(message, binding.response_body)


def json_of(binding: Binding, response: bytes) -> Any:
    """The same as a Python object."""
    return writer_of(binding.method.response)(binding.method.response.FromString(response))


def _parsed(binding: Binding, body: bytes) -> object:
    value = parse_json(body)
    if value is None and binding.body == ALL_FIELDS:
        raise InvalidInput("body", "expected a JSON object, got null")
    return value


def _tree(binding: Binding, query: list[tuple[str, str]], body: object) -> dict[str, Any]:
    """What the query and the body give, as one JSON object."""
    fields = binding.method.descriptor.input_type
    if binding.body == ALL_FIELDS:
        if query:
            query_fields(fields, query, binding.taken)
        if body is None:
            return {}
        if not isinstance(body, dict):
            raise InvalidInput("body", "expected a JSON object")
        return body
    tree = query_fields(fields, query, binding.taken)
    if binding.body is not None and body is not None:
        tree[binding.body] = body
    elif body:
        raise InvalidInput("body", "this route takes none: send the fields in the query string")
    return tree
