"""What the gateway counts of HTTP, in Prometheus' terms."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry

from gateway.status import Relayed
from mlmesh.runtime.errors import ServingError, reason_of
from mlmesh.runtime.instruments import Counter, Histogram, Meter, Spread, Value
from mlmesh.runtime.metrics import LATENCY_BUCKETS, MOST_REASONS

VERBS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNMATCHED = "unmatched"
"""Route of requests that no route has; their paths would make a series each."""

CLIENT_CLOSED = 499
"""Status of requests whose client went away before it was answered."""


def known_verb(verb: str) -> str:
    """The verb, if it is one that everybody knows."""
    return verb if verb in VERBS else "OTHER"


class HttpMetrics:
    """Counts and times requests by route."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._outcomes: dict[tuple[str, str, int], tuple[Value, Spread]] = {}
        self._requests = Counter(
            registry,
            "http_requests_total",
            "HTTP requests that were answered.",
            ("method", "route", "status"),
        )
        self._seconds = Histogram(
            registry,
            "http_request_duration_seconds",
            "Seconds from a request's arrival to the end of its answer.",
            ("method", "route"),
            bounds=LATENCY_BUCKETS,
        )
        self._refused = Counter(
            registry,
            "http_requests_refused_total",
            "HTTP requests that were refused, by the reason that the client was told.",
            ("reason",),
            most=MOST_REASONS,
        )

    def observe(
        self, verb: str, route: str, status: int, seconds: float, trace_id: str = ""
    ) -> None:
        """trace_id: of a request that is traced."""
        verb = known_verb(verb)
        outcome = self._outcomes.get((verb, route, status))
        if outcome is None:
            outcome = (
                self._requests.series(verb, route, str(status)),
                self._seconds.series(verb, route),
            )
            self._outcomes[verb, route, status] = outcome
        requests, spread = outcome
        requests.value += 1
        spread.observe(seconds, trace_id)

    def refused(self, error: ServingError) -> None:
        """Count a refusal; the request itself is observed as well."""
        reason = reason_of(error.status()) if isinstance(error, Relayed) else error.reason
        self._refused.series(reason or error.code.name).add()

    def read_load(self, requests: Callable[[], int], nbytes: Callable[[], int]) -> None:
        """Show what is under way whenever somebody looks."""
        Meter(self._registry, "http_open_requests", "HTTP requests under way.", requests)
        Meter(self._registry, "http_open_body_bytes", "Bytes of the bodies that are held.", nbytes)
