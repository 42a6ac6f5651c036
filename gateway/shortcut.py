"""Which requests take the short way: from the HTTP parser to the mesh and back, without ASGI.

It is there for plain calls of unary methods, which are nearly all. Whatever is out of the ordinary
goes through `gateway/app.py`; both ways give the same answers.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from gateway.beside import LARGE_BYTES
from gateway.door import Door
from gateway.mesh import Mesh
from gateway.open_inference.path import is_open_inference
from gateway.request import JSON, Request, patience_of
from gateway.response import success_head
from gateway.routes import Match, Routes
from gateway.traffic import HttpMetrics
from mlmesh.runtime.call import Call, request_id_of, traceparent_of, tracestate_of
from mlmesh.runtime.contracts import Method
from mlmesh.runtime.errors import InvalidInput, ServingError
from mlmesh.runtime.tracing import Tracing

KNOWN = 2048
"""Addresses and heads that are remembered, of each."""
KNOWN_BYTES = 1024
"""Longest one of them."""

Key = TypeVar("Key")
Value = TypeVar("Value")

_PLAIN_URL = re.compile(rb"/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*")
_VERBS = frozenset({b"GET", b"POST", b"PUT", b"PATCH", b"DELETE"})
_ODD_HEADERS = frozenset({b"transfer-encoding", b"content-encoding", b"expect", b"upgrade"})
# Heads with these do not come again, or are not to be kept.
_OF_ONE_REQUEST = frozenset(
    {b"x-request-id", b"traceparent", b"tracestate", b"authorization", b"cookie"}
)
_CONTENT_TYPES = frozenset(
    {b"", *(JSON.encode() + rest for rest in (b"", b"; charset=utf-8", b";charset=utf-8"))}
)
_ACCEPTED = frozenset({b"", b"*/*", JSON.encode(), JSON.encode() + b", text/plain, */*"})


@dataclass(frozen=True, slots=True)
class Way:
    """Where requests for one address go."""

    verb: str
    match: Match
    query: bytes
    method: Method


@dataclass(frozen=True, slots=True)
class Head:
    """What the head of a plain request says."""

    way: Way
    length: int
    """Of the body."""
    seconds: float
    """That the caller waits, and the contract allows."""
    request_id: str
    traceparent: str
    accept_encoding: str
    tracestate: str
    keep_alive: bool

    def call(self) -> Call:
        """Who asks, from now on."""
        traceparent = traceparent_of(self.traceparent)
        root = traceparent != self.traceparent
        return Call(
            request_id_of(self.request_id),
            time.monotonic() + self.seconds,
            traceparent,
            tracestate="" if root else tracestate_of(self.tracestate),
            root=root,
        )


class Shortcut:
    """pages: paths that are answered without a contract."""

    def __init__(
        self,
        routes: Routes,
        mesh: Mesh,
        pages: Collection[str],
        metrics: HttpMetrics,
        door: Door,
        *,
        body_bytes: int,
        body_seconds: float,
        packed_from: int,
        server_timing: bool,
        routing_headers: Collection[str] = (),
        tracing: Tracing | None = None,
    ) -> None:
        self._tracing = tracing
        self.mesh = mesh
        self.metrics = metrics
        self.door = door
        self.body_seconds = body_seconds
        self.server_timing = server_timing
        self.packed_from = packed_from
        """Bytes of an answer."""
        self._routes = routes
        self._pages = pages
        # Who is asked depends on them, and so they are read with more care.
        self._odd_headers = _ODD_HEADERS | {name.encode() for name in routing_headers}
        # What is larger is read and written in threads.
        self._body_bytes = min(body_bytes, LARGE_BYTES - 1)
        self._first: Sequence[tuple[bytes, bytes]] = ()
        self._success_head = success_head(())
        self._ways: dict[tuple[bytes, bytes], Way | None] = {}
        self.heads: dict[bytes, Head] = {}
        """By their bytes, up to the empty line."""

    def way_of(self, verb: bytes, url: bytes) -> Way | None:
        """The way for an address; None when it has to be looked at more closely."""
        try:
            return self._ways[verb, url]
        except KeyError:
            way = self._find(verb, url)
            if len(url) <= KNOWN_BYTES:
                _remember(self._ways, (verb, url), way)
            return way

    def head_of(
        self, verb: bytes, url: bytes, headers: Mapping[bytes, bytes], keep_alive: bool
    ) -> Head | None:
        """What the head of a plain request says; None when it is not plain."""
        way = self.way_of(verb, url)
        if way is None or not self._is_plain(headers):
            return None
        request = Request(way.verb, "", way.query, headers)
        try:
            patience = patience_of(request)
        except InvalidInput:
            return None
        return Head(
            way,
            length=int(headers.get(b"content-length", b"0")),
            seconds=min(patience, way.method.timeout),
            request_id=request.header(b"x-request-id"),
            traceparent=request.header(b"traceparent"),
            accept_encoding=request.header(b"accept-encoding"),
            tracestate=request.header(b"tracestate"),
            keep_alive=keep_alive,
        )

    def call_of(self, head: Head) -> Call:
        """A call with this head that arrived just now."""
        call = head.call()
        return call if self._tracing is None else self._tracing.served(head.way.verb, call)

    def has_room(self) -> bool:
        requests = self.door.requests
        return requests.count < requests.limit

    def learn(self, text: bytes, verb: bytes, head: Head, headers: Mapping[bytes, bytes]) -> None:
        """Keep what the head `text` says, so that it need not be parsed when it comes again."""
        if (
            len(text) <= KNOWN_BYTES
            and head.keep_alive
            and _OF_ONE_REQUEST.isdisjoint(headers)
            # Only then the parser read it from its first byte to its last.
            and text.startswith(verb + b" ")
            and text.count(b"\n") == text.count(b"\r\n")
        ):
            _remember(self.heads, text, head)

    def success_head(self, first: Sequence[tuple[bytes, bytes]]) -> bytes:
        """The head of an answer up to its length; `first` is the same object for a second."""
        if first is not self._first:
            self._first, self._success_head = first, success_head(first)
        return self._success_head

    def _is_plain(self, headers: Mapping[bytes, bytes]) -> bool:
        return (
            self._odd_headers.isdisjoint(headers)
            and headers.get(b"content-type", b"").lower() in _CONTENT_TYPES
            and headers.get(b"accept", b"") in _ACCEPTED
            and int(headers.get(b"content-length", b"0")) <= self._body_bytes
        )

    def _find(self, verb: bytes, url: bytes) -> Way | None:
        if verb not in _VERBS or not _PLAIN_URL.fullmatch(url):
            return None
        raw_path, _, query = url.partition(b"?")
        path = raw_path.decode()
        if path in self._pages or is_open_inference(path):
            return None
        try:
            match = self._routes.find(verb.decode(), path)
        except ServingError:
            return None
        method = match.binding.method
        return Way(verb.decode(), match, query, method) if method.unary else None


def _remember(known: dict[Key, Value], key: Key, value: Value) -> None:
    # What is in use is found again at once; what somebody made up is gone.
    if len(known) >= KNOWN:
        known.clear()
    known[key] = value
