"""Which requests take the short way: from the HTTP parser to the mesh and back, without ASGI.

It is there for plain calls of unary methods, which are nearly all. Whatever is out of the ordinary
goes through `gateway/app.py`; both ways give the same answers.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.beside import LARGE_BYTES
from gateway.door import Door
from gateway.mesh import Mesh
from gateway.open_inference.path import is_open_inference
from gateway.request import JSON, Request, call_of, deadline_of
from gateway.response import success_head
from gateway.routes import Match, Routes
from gateway.traffic import HttpMetrics
from mlmesh.runtime.call import Call
from mlmesh.runtime.contracts import Method
from mlmesh.runtime.errors import InvalidInput, ServingError

KNOWN = 4096
"""Addresses whose way is remembered."""
KNOWN_BYTES = 512
"""Longest one of them."""

_PLAIN_URL = re.compile(rb"/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*")
_VERBS = frozenset({b"GET", b"POST", b"PUT", b"PATCH", b"DELETE"})
_ODD_HEADERS = frozenset({b"transfer-encoding", b"content-encoding", b"expect", b"upgrade"})
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
    ) -> None:
        self.mesh = mesh
        self.metrics = metrics
        self.door = door
        self.body_seconds = body_seconds
        self._routes = routes
        self._pages = pages
        # What is larger is read and written in threads.
        self._body_bytes = min(body_bytes, LARGE_BYTES - 1)
        self._first: Sequence[tuple[bytes, bytes]] = ()
        self._success_head = success_head(())
        self._known: dict[tuple[bytes, bytes], Way | None] = {}

    def way_of(self, verb: bytes, url: bytes) -> Way | None:
        """The way for an address; None when it has to be looked at more closely."""
        try:
            return self._known[verb, url]
        except KeyError:
            return self._learn(verb, url)

    def takes(self, headers: Mapping[bytes, bytes]) -> bool:
        """Whether a request is plain, and there is room for it."""
        requests = self.door.requests
        return (
            _ODD_HEADERS.isdisjoint(headers)
            and headers.get(b"content-type", b"").lower() in _CONTENT_TYPES
            and headers.get(b"accept", b"") in _ACCEPTED
            and int(headers.get(b"content-length", b"0")) <= self._body_bytes
            and requests.count < requests.limit
        )

    def call_of(self, way: Way, headers: Mapping[bytes, bytes]) -> Call | None:
        """Who asks, and how long they wait; None when a header says so in a way that is wrong."""
        request = Request(way.verb, "", way.query, headers)
        try:
            deadline = deadline_of(request)
        except InvalidInput:
            return None
        return replace(call_of(request), deadline=deadline).within(way.method.timeout)

    def success_head(self, first: Sequence[tuple[bytes, bytes]]) -> bytes:
        """The head of an answer up to its length; `first` is the same object for a second."""
        if first is not self._first:
            self._first, self._success_head = first, success_head(first)
        return self._success_head

    def _learn(self, verb: bytes, url: bytes) -> Way | None:
        way = self._find(verb, url)
        if len(url) <= KNOWN_BYTES:
            if len(self._known) >= KNOWN:
                self._known.clear()
            self._known[verb, url] = way
        return way

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
