"""What callers saw of a server, and what they send."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class LoadFailed(Exception):
    """No figure came of a load; the message says why."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A POST that is sent again and again."""

    path: str
    headers: tuple[tuple[str, str], ...]
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
    wire_bytes: float | None = None
    """Of one request and its answer, heads included, TCP's own excluded; None: not counted."""

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds


def seen_of(latencies_ms: Sequence[float], seconds: float, failed: int) -> Seen:
    """Figures of requests that were all timed."""
    if not latencies_ms:
        raise LoadFailed("no request was answered")
    ordered = sorted(latencies_ms)
    last = len(ordered) - 1
    p50, p95, p99 = (ordered[round(last * part)] for part in (0.50, 0.95, 0.99))
    return Seen(len(ordered), seconds, p50, p95, p99, failed)
