"""A stream that is spoken to over a WebSocket, as an operation of an OpenAPI document.

OpenAPI knows no WebSockets: the handshake is a GET that is answered with 101, and what frames hold
stands in an extension.
"""

from __future__ import annotations

from dataclasses import replace

from gateway.error_schema import ERRORS, REQUEST_ID, SOCKET_ERRORS
from gateway.operation import Operation, Operations
from gateway.routes import ALL_FIELDS, Binding
from gateway.scalar_schema import Schema
from gateway.socket_form import BINARY, TEXT

EXTENSION = "x-websocket"
_TEXT = (
    "Over a WebSocket: a frame is a message, JSON in text frames or protobuf in binary ones. An "
    "empty text frame says that no more will come. A failure is a last frame with an error, and "
    "the close code 4000 + gRPC's code."
)
_CHOSEN = "The one that was chosen of those offered; without an offer the first frame decides."


def socket_operation(
    operations: Operations, binding: Binding, operation_id: str, names: list[str]
) -> Operation:
    """For a method that takes a stream. `names` are those of the path's wildcards."""
    descriptor = binding.method.descriptor
    comment = operations.comments.of(descriptor.full_name)
    if binding.body is None:
        # The query says nothing of what frames hold.
        binding = replace(binding, body=ALL_FIELDS)
    operation: Operation = {
        "operationId": operation_id,
        "summary": f"{comment.summary or descriptor.name} (WebSocket)",
        "description": f"{comment.description}\n\n{_TEXT}".strip(),
        "tags": [descriptor.containing_service.name],
        "parameters": operations.parameters(binding, names),
        "responses": dict(ERRORS),
    }
    if descriptor.GetOptions().deprecated:
        operation["deprecated"] = True
    add_handshake(operation, operations, binding)
    return operation


def add_handshake(operation: Operation, operations: Operations, binding: Binding) -> None:
    """Let a GET be answered with a WebSocket, too."""
    descriptor = binding.method.descriptor
    chosen: Schema = {"description": _CHOSEN, "schema": {"enum": _subprotocols()}}
    switched = {
        "description": "The connection is a WebSocket now.",
        "headers": REQUEST_ID | {"Sec-WebSocket-Protocol": chosen},
    }
    operation["responses"] = {"101": switched} | operation["responses"] | SOCKET_ERRORS
    operation[EXTENSION] = {
        "subprotocols": _subprotocols(),
        "sent": operations.requests.of(descriptor.input_type),
        "received": operations.responses.of(descriptor.output_type),
    }


def _subprotocols() -> list[str]:
    return [TEXT.subprotocol, BINARY.subprotocol]
