"""How messages are written over HTTP: as JSON, or as protobuf writes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
from google.protobuf.descriptor import FieldDescriptor
from google.rpc import status_pb2

from gateway.accept import preferred
from gateway.request import JSON, PROTOBUFS, Request
from gateway.routes import Binding
from gateway.status import error_body
from gateway.transcode import answer_of

_ANY = (b"", b"*/*")


@dataclass(frozen=True, slots=True)
class Dialect:
    media_type: str
    write: Callable[[Binding, bytes], bytes]
    """Makes the body of an answer of a serialised response."""
    write_status: Callable[[status_pb2.Status], bytes]

    @property
    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        kind = self.media_type.encode()
        return ((b"content-type", kind), (b"x-content-type-options", b"nosniff"))


def _json_status(status: status_pb2.Status) -> bytes:
    return orjson.dumps(error_body(status))


def _serialised_answer(binding: Binding, response: bytes) -> bytes:
    if binding.response_body is None:
        return response
    message: Any = binding.method.response.FromString(response)
    return bytes(getattr(message, binding.response_body).SerializeToString())


def _serialised_status(status: status_pb2.Status) -> bytes:
    return bytes(status.SerializeToString())


JSON_DIALECT = Dialect(JSON, answer_of, _json_status)
DIALECTS = {JSON: JSON_DIALECT} | {
    name: Dialect(name, _serialised_answer, _serialised_status) for name in PROTOBUFS
}


def dialect_of(request: Request, binding: Binding) -> Dialect:
    """What the client wants to read: as Accept says, else in the way that it writes itself."""
    accept = request.headers.get(b"accept", b"")
    sent = request.media_type
    # Nearly all requests are this.
    if (accept in _ANY and sent not in PROTOBUFS) or not answers_message(binding):
        return JSON_DIALECT
    first = sent if sent in PROTOBUFS else JSON
    if accept in _ANY:
        return DIALECTS[first]
    return DIALECTS[preferred(accept.decode("latin-1"), (first, JSON, *PROTOBUFS)) or first]


def answers_message(binding: Binding) -> bool:
    """Whether the body of an answer is a message, so that protobuf can write it by itself."""
    if binding.method.descriptor.server_streaming:
        return False
    if binding.response_body is None:
        return True
    return is_message(binding.method.descriptor.output_type.fields_by_name[binding.response_body])


def is_message(field: FieldDescriptor) -> bool:
    return field.message_type is not None and not field.is_repeated
