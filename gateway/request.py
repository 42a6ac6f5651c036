"""What the gateway reads from an HTTP request beside its fields: headers and the body's bytes."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from mlmesh.runtime.admission import Share
from mlmesh.runtime.call import Call, deadline_after, request_id_of, traceparent_of, tracestate_of
from mlmesh.runtime.errors import (
    DeadlineExceeded,
    InvalidInput,
    ServingError,
    TooLarge,
    UnsupportedMediaType,
)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

JSON = "application/json"
NDJSON = "application/x-ndjson"
PROTOBUF = "application/x-protobuf"
PROTOBUFS = (PROTOBUF, "application/protobuf")
"""Both names are in use."""

_ROUTABLE = re.compile(r"[ -~]{1,256}")
_GRPC_TIMEOUT = re.compile(r"(\d{1,8})([HMSmun])")
_UNIT_SECONDS = {"H": 3600, "M": 60, "S": 1, "m": 1e-3, "u": 1e-6, "n": 1e-9}


class UnsupportedBody(UnsupportedMediaType):
    """The body is sent in a way that the route does not take.

    `header` tells programs which ones it takes, as the answer's header of that name.
    """

    def __init__(self, field: str, problem: str, header: tuple[bytes, bytes]) -> None:
        super().__init__(field, problem)
        self.header = header


class SlowBody(DeadlineExceeded):
    """The body did not arrive in time; what is still to come cannot be told from a next request."""


class Disconnected(Exception):
    """The client went away before its request was whole."""


@dataclass(frozen=True, slots=True)
class Request:
    verb: str
    path: str
    """As sent, still percent-encoded."""
    query: bytes
    headers: Mapping[bytes, bytes]
    """By name in lower case; of a header sent twice, the last."""

    def header(self, name: bytes) -> str:
        return self.headers.get(name, b"").decode("latin-1")

    @property
    def media_type(self) -> str:
        """Of the body, in lower case, without parameters; "" when the client does not say."""
        return self.header(b"content-type").partition(";")[0].strip().lower()


def request_of_scope(scope: Scope) -> Request:
    raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
    return Request(
        verb=scope["method"],
        path=raw_path.decode("latin-1"),
        query=scope["query_string"],
        headers=dict(scope["headers"]),
    )


def call_of(request: Request, routing: Iterable[str] = ()) -> Call:
    """Who asks, under which id. routing: headers that decide who answers.

    The deadline is read by `deadline_of`, for it may be malformed.
    """
    offered = request.header(b"traceparent")
    traceparent = traceparent_of(offered)
    root = traceparent != offered
    return Call(
        request_id=request_id_of(request.header(b"x-request-id")),
        traceparent=traceparent,
        tracestate="" if root else tracestate_of(request.header(b"tracestate")),
        root=root,
        routing=tuple(_routed(request, routing)),
    )


def _routed(request: Request, names: Iterable[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        value = request.header(name.encode())
        # What gRPC would not take as a header cannot be matched by a route either.
        if value and _ROUTABLE.fullmatch(value):
            yield name, value


def deadline_of(request: Request) -> float:
    """When the client stops waiting. Raises InvalidInput when it says so in a wrong way."""
    return deadline_after(patience_of(request))


def patience_of(request: Request) -> float:
    """Seconds that the client waits: X-Request-Timeout (seconds) or Grpc-Timeout.

    Raises InvalidInput naming the header when it is malformed.
    """
    if text := request.header(b"x-request-timeout"):
        return _positive_seconds(text)
    if text := request.header(b"grpc-timeout"):
        matched = _GRPC_TIMEOUT.fullmatch(text)
        if matched is None:
            raise InvalidInput("Grpc-Timeout", "expected digits and a unit, for example 500m")
        return int(matched[1]) * _UNIT_SECONDS[matched[2]]
    return math.inf


def _positive_seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise InvalidInput("X-Request-Timeout", "expected seconds above 0, for example 2.5")
    return seconds


async def read_chunks(
    request: Request, receive: Receive, share: Share, max_bytes: int, max_seconds: float
) -> list[bytes]:
    """The whole body, in the pieces that it arrived in.

    share: grows by what arrives. Raises TooLarge, Overloaded, SlowBody or Disconnected.
    """
    length = request.header(b"content-length")
    if length.isdigit() and int(length) > max_bytes:
        raise _too_large(max_bytes)
    try:
        async with asyncio.timeout(max_seconds):
            return await _all_of(receive, share, max_bytes)
    except TimeoutError:
        raise slow_body(max_seconds) from None


async def _all_of(receive: Receive, share: Share, max_bytes: int) -> list[bytes]:
    chunks: list[bytes] = []
    size = 0
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise Disconnected
        chunk = event.get("body", b"")
        size += len(chunk)
        if size > max_bytes:
            raise _too_large(max_bytes)
        share.grow(len(chunk))
        chunks.append(chunk)
        if not event.get("more_body"):
            return chunks


def slow_body(max_seconds: float) -> SlowBody:
    return SlowBody(f"body: it did not arrive within {max_seconds:g} s")


def _too_large(max_bytes: int) -> ServingError:
    return TooLarge(
        f"body: larger than {max_bytes} bytes, the most that is taken; send less at once, "
        "or have MLMESH_MAX_BODY_BYTES raised"
    )
