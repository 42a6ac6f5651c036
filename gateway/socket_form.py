"""How messages stand in the frames of a WebSocket: as JSON in text, or as protobuf in binary."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.dialect import DIALECTS
from gateway.protobuf_body import serialised_message
from gateway.request import JSON, PROTOBUF
from gateway.routes import Binding, Match
from gateway.transcode import serialised_request
from mlmesh.runtime.errors import InvalidInput

Event = MutableMapping[str, Any]


@dataclass(frozen=True, slots=True)
class SocketForm:
    subprotocol: str
    binary: bool
    read: Callable[[Match, bytes, bytes], bytes]
    """Makes a serialised request of a match, the query and what a frame holds."""
    write: Callable[[Binding, bytes], bytes]

    def event(self, content: bytes) -> Event:
        if self.binary:
            return {"type": "websocket.send", "bytes": content}
        return {"type": "websocket.send", "text": content.decode()}


def _read_message(match: Match, query: bytes, content: bytes) -> bytes:
    return serialised_message(match, query, [content])


TEXT = SocketForm("mlmesh.v1.json", False, serialised_request, DIALECTS[JSON].write)
BINARY = SocketForm("mlmesh.v1.protobuf", True, _read_message, DIALECTS[PROTOBUF].write)


def form_offered(subprotocols: Sequence[str]) -> SocketForm | None:
    """The first of ours that a client offers; None when it leaves that to its first frame.

    Raises InvalidInput when it offers others only.
    """
    for form in (TEXT, BINARY):
        if form.subprotocol in subprotocols:
            return form
    if subprotocols:
        ours = f"offer {TEXT.subprotocol}, {BINARY.subprotocol} or none"
        raise InvalidInput("Sec-WebSocket-Protocol", ours)
    return None


def content_of(event: Event) -> tuple[SocketForm, bytes]:
    """What a frame holds, and the form that it is of."""
    text = event.get("text")
    if text is not None:
        return TEXT, text.encode()
    return BINARY, event["bytes"]
