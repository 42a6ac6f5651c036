"""What callers saw of a server, and where a load goes."""

from __future__ import annotations

from dataclasses import dataclass


class LoadFailed(Exception):
    """No figure came of a load; the message says why."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A POST that is sent again and again."""

    path: str
    media_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Seen:
    """What callers saw who each wait for an answer before they ask again."""

    requests: int
    seconds: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    failed: int
    """Requests that were answered by an error, or not at all."""
    wire_bytes: float
    """Of one request and its answer, heads included, TCP's own excluded."""

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds
