"""What the gateway sends back over HTTP."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import orjson
from google.rpc import status_pb2

from gateway.dialect import JSON_DIALECT, Dialect
from gateway.request import NDJSON, Send, SlowBody, UnsupportedBody
from gateway.routes import WrongVerb
from gateway.status import error_body, http_status_of, retry_after
from mlmesh.runtime.errors import ServingError, Unavailable

Headers = tuple[tuple[bytes, bytes], ...]

_JSON: Headers = JSON_DIALECT.headers
_STREAM: Headers = ((b"content-type", NDJSON.encode()), (b"x-content-type-options", b"nosniff"))


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    body: bytes
    headers: Headers = _JSON


def failure(error: ServingError, dialect: Dialect = JSON_DIALECT) -> Response:
    """The answer for a refused call: its status, and the headers that go with it."""
    status = error.status()
    headers = dialect.headers
    if (seconds := retry_after(status)) is not None:
        headers = (*headers, (b"retry-after", b"%d" % seconds))
    if isinstance(error, SlowBody):
        headers = (*headers, (b"connection", b"close"))
    if isinstance(error, WrongVerb):
        headers = (*headers, (b"allow", ", ".join(error.allow).encode()))
    if isinstance(error, UnsupportedBody):
        headers = (*headers, error.header)
    return Response(http_status_of(status), dialect.write_status(status), headers)


def success_head(first: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The head of an answer of JSON up to its length, after the `first` headers."""
    headers = b"".join(b"%b: %b\r\n" % header for header in (*first, *_JSON))
    return b"HTTP/1.1 200 OK\r\n" + headers + b"content-length: "


def closing(response: Response) -> Response:
    """The same, as the last on its connection."""
    return replace(response, headers=(*response.headers, (b"connection", b"close")))


def leaving() -> ServingError:
    """For requests that are still under way when the time to drain is over."""
    return Unavailable("the gateway is shutting down, try again")


def headers_of(response: Response, request_id: str) -> list[tuple[bytes, bytes]]:
    """All headers of an answer that is sent at once."""
    return [
        *response.headers,
        (b"content-length", b"%d" % len(response.body)),
        (b"x-request-id", request_id.encode()),
    ]


async def send_response(send: Send, response: Response, request_id: str) -> None:
    headers = headers_of(response, request_id)
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


async def send_stream_start(send: Send, request_id: str) -> None:
    headers = [*_STREAM, (b"x-request-id", request_id.encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


async def send_line(send: Send, line: bytes) -> None:
    """One JSON value of a stream."""
    await send({"type": "http.response.body", "body": line + b"\n", "more_body": True})


async def send_stream_end(send: Send, failed: status_pb2.Status | None) -> None:
    """End a stream; a failure after the first line is its last line."""
    last = b"" if failed is None else orjson.dumps(error_body(failed)) + b"\n"
    await send({"type": "http.response.body", "body": last})
