"""What the gateway sends back over HTTP."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from gateway.dialect import JSON_DIALECT, Dialect
from gateway.request import Send, SlowBody, UnsupportedBody
from gateway.routes import WrongVerb
from gateway.status import http_status_of, retry_after
from mlmesh.runtime.errors import ServingError, Unavailable

Headers = tuple[tuple[bytes, bytes], ...]

_JSON: Headers = JSON_DIALECT.headers


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    body: bytes
    headers: Headers = _JSON
    timing: bytes = b""
    """Value of Server-Timing."""


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
    headers = [
        *response.headers,
        (b"content-length", b"%d" % len(response.body)),
        (b"x-request-id", request_id.encode()),
    ]
    if response.timing:
        headers.append((b"server-timing", response.timing))
    return headers


async def send_response(send: Send, response: Response, request_id: str) -> None:
    headers = headers_of(response, request_id)
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})
