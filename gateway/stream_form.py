"""How the messages of a stream stand in the body of an answer: as lines, or as events."""

from __future__ import annotations

from typing import Protocol

import orjson
from google.rpc import status_pb2

from gateway.accept import preferred
from gateway.request import JSON, NDJSON, Request
from gateway.status import error_body

EVENTS = "text/event-stream"
LAST_ID = b"end"
"""Id of the event that ends a stream. A browser that comes back with it wants no more."""


class StreamForm(Protocol):
    media_type: str
    heartbeat: bytes
    """What may be sent while there is nothing to send; empty when nothing may."""

    def message(self, text: bytes) -> bytes:
        """text: a JSON value."""

    def end(self, failed: status_pb2.Status | None) -> bytes:
        """The end of the stream, or its failure."""


class Lines:
    """JSON values, one a line; a failure is the last one."""

    media_type = NDJSON
    heartbeat = b""

    def message(self, text: bytes) -> bytes:
        return text + b"\n"

    def end(self, failed: status_pb2.Status | None) -> bytes:
        return b"" if failed is None else orjson.dumps(error_body(failed)) + b"\n"


class Events:
    """Events as EventSource reads them, with ids from 1 on.

    The last event is of type `end` or `error`. JSON has no line breaks, so each is one line.
    """

    media_type = EVENTS
    heartbeat = b":\n\n"

    def __init__(self) -> None:
        self._number = 0

    def message(self, text: bytes) -> bytes:
        self._number += 1
        return b"id: %d\ndata: %b\n\n" % (self._number, text)

    def end(self, failed: status_pb2.Status | None) -> bytes:
        name, text = (b"end", b"{}") if failed is None else (b"error", _error_text(failed))
        return b"event: %b\nid: %b\ndata: %b\n\n" % (name, LAST_ID, text)


def form_of(request: Request) -> StreamForm:
    """As Accept says; lines when it says nothing of the two."""
    accept = request.header(b"accept")
    wants_events = accept and preferred(accept, (NDJSON, JSON, EVENTS)) == EVENTS
    return Events() if wants_events else Lines()


def has_ended(request: Request) -> bool:
    """Whether a browser asks again for a stream of which it has seen the end."""
    return request.headers.get(b"last-event-id") == LAST_ID


def _error_text(failed: status_pb2.Status) -> bytes:
    return orjson.dumps(error_body(failed))
