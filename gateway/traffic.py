"""What the gateway counts of HTTP, in Prometheus' terms."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

from mlmesh.runtime.metrics import LATENCY_BUCKETS

VERBS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNMATCHED = "unmatched"
"""Route of requests that no route has; their paths would make a series each."""

CLIENT_CLOSED = 499
"""Status of requests whose client went away before it was answered."""


class HttpMetrics:
    """Counts and times requests by route."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "http_requests_total",
            "HTTP requests that were answered.",
            ["method", "route", "status"],
            registry=registry,
        )
        self._seconds = Histogram(
            "http_request_duration_seconds",
            "Seconds from a request's arrival to the end of its answer.",
            ["method", "route"],
            registry=registry,
            buckets=LATENCY_BUCKETS,
        )

    def observe(self, verb: str, route: str, status: int, seconds: float) -> None:
        verb = verb if verb in VERBS else "OTHER"
        self._requests.labels(verb, route, str(status)).inc()
        self._seconds.labels(verb, route).observe(seconds)
