"""What the gateway writes down of HTTP: metrics, spans, a line in the log."""

from __future__ import annotations

import logging
from collections.abc import Callable

from prometheus_client import CollectorRegistry

from mlmesh.runtime.call import Call, sampled_trace_id
from mlmesh.runtime.call_log import CallLog
from mlmesh.runtime.errors import ServingError, reason_of
from mlmesh.runtime.failure import Relayed
from mlmesh.runtime.instruments import Counter, Histogram, Meter, Spread, Value
from mlmesh.runtime.metrics import LATENCY_BUCKETS, MOST_REASONS, StreamMetrics

VERBS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNMATCHED = "unmatched"
"""Route of requests that no route has; their paths would make a series each."""

CLIENT_CLOSED = 499
"""Status of requests whose client went away before it was answered."""


def known_verb(verb: str) -> str:
    """The verb, if it is one that everybody knows."""
    return verb if verb in VERBS else "OTHER"


class HttpMetrics:
    """Counts and times requests by route. log: gets a line for each, if there is one."""

    def __init__(self, registry: CollectorRegistry, log: CallLog | None = None) -> None:
        self._log = log
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
        self._received = Counter(
            registry,
            "http_stream_msg_received_total",
            "Messages read from streams over HTTP.",
            ("route",),
        )
        self._sent = Counter(
            registry,
            "http_stream_msg_sent_total",
            "Messages written to streams over HTTP.",
            ("route",),
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
        self._refused.series(_reason_of(error)).add()

    def stream(self, route: str) -> StreamMetrics:
        """The messages of streams by lines, events or frames."""
        return StreamMetrics(self._received.series(route), self._sent.series(route))

    def close(
        self,
        call: Call,
        verb: str,
        route: str,
        status: int,
        seconds: float,
        error: BaseException | None = None,
    ) -> None:
        """A request has its answer, or its client is gone. error: why it was refused."""
        self.observe(verb, route, status, seconds, sampled_trace_id(call.traceparent))
        if call.span is not None:
            call.span.end_http(known_verb(verb), route, status)
        if self._log is not None:
            self._log.write(
                _level_of(status),
                "request",
                call,
                seconds,
                error.__cause__ if isinstance(error, ServingError) else error,
                method=known_verb(verb),
                route=route,
                status=status,
                reason=_reason_of(error) if isinstance(error, ServingError) else "",
            )

    def read_load(
        self, requests: Callable[[], int], sockets: Callable[[], int], nbytes: Callable[[], int]
    ) -> None:
        """Show what is under way whenever somebody looks."""
        Meter(self._registry, "http_open_requests", "HTTP requests under way.", requests)
        Meter(self._registry, "http_open_sockets", "WebSockets that are open.", sockets)
        Meter(self._registry, "http_open_body_bytes", "Bytes of the bodies that are held.", nbytes)


def _reason_of(error: ServingError) -> str:
    reason = reason_of(error.status()) if isinstance(error, Relayed) else error.reason
    return reason or error.code.name


def _level_of(status: int) -> int:
    if status < 500:
        return logging.INFO
    return logging.ERROR if status == 500 else logging.WARNING
