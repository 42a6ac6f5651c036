"""What every server counts, in Prometheus' terms.

The grpc_server_* names are those of the gRPC ecosystem's own middlewares; docs/metrics.md has all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from mlmesh.runtime.contracts import Method
from mlmesh.runtime.instruments import Counter, Histogram, Meter, Spread, Value

LATENCY_BUCKETS = (
    0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0,
    10.0,
)  # fmt: skip
PREDICTION_SCOPE = "predict"
MOST_REASONS = 256
"""Series of refusals: reasons come from code, but also from services of others."""


def open_registry() -> CollectorRegistry:
    """A registry with the figures of the process."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry


@dataclass(frozen=True, slots=True)
class _Outcome:
    """The series of one method and code."""

    handled: Value
    seconds: Spread
    predictions: Value | None
    prediction_seconds: Spread | None


@dataclass(frozen=True, slots=True)
class StreamMetrics:
    """The series of one streaming method, or of a route to one."""

    received: Value
    sent: Value


class ServerMetrics:
    """Counts and times the calls of one server.

    modality: what its models work on ("tabular", "text", "image"); empty for a server without
    models, which shows no predictions.
    """

    def __init__(self, registry: CollectorRegistry, modality: str = "") -> None:
        self.registry = registry
        self._modality = modality
        self._outcomes: dict[tuple[str, str], _Outcome] = {}
        self._refusals: dict[tuple[str, str], Value] = {}
        method = ("grpc_service", "grpc_method")
        self._handled = Counter(
            registry,
            "grpc_server_handled_total",
            "Calls that were answered, plain or carried.",
            (*method, "grpc_code"),
        )
        self._seconds = Histogram(
            registry,
            "grpc_server_handling_seconds",
            "Seconds from a call's arrival to its answer; of a stream, to its end.",
            method,
            bounds=LATENCY_BUCKETS,
        )
        self._refused = Counter(
            registry,
            "grpc_server_refused_total",
            "Calls that were refused, by the reason that the caller was told.",
            ("grpc_service", "reason"),
            most=MOST_REASONS,
        )
        self._received = Counter(
            registry, "grpc_server_msg_received_total", "Messages read from streams.", method
        )
        self._sent = Counter(
            registry, "grpc_server_msg_sent_total", "Messages written to streams.", method
        )
        if modality:
            self._predictions = Counter(
                registry,
                "prediction_requests_total",
                "Calls to models.",
                ("modality", "status"),
            )
            self._prediction_seconds = Histogram(
                registry,
                "prediction_latency_seconds",
                "Seconds from the arrival of a call to a model to its answer.",
                ("modality",),
                bounds=LATENCY_BUCKETS,
            )

    def observe(self, method: Method, code: str, seconds: float, trace_id: str = "") -> None:
        """trace_id: of a call that is traced."""
        outcome = self._outcomes.get((method.path, code)) or self._outcome(method, code)
        outcome.handled.value += 1
        outcome.seconds.observe(seconds, trace_id)
        if outcome.predictions is not None and outcome.prediction_seconds is not None:
            outcome.predictions.value += 1
            outcome.prediction_seconds.observe(seconds, trace_id)

    def refused(self, method: Method, reason: str) -> None:
        """Count a refusal; the call itself is observed as well."""
        series = self._refusals.get((method.path, reason))
        if series is None:
            series = self._refused.series(method.service, reason)
            if len(self._refusals) < MOST_REASONS:
                self._refusals[method.path, reason] = series
        series.value += 1

    def stream(self, method: Method) -> StreamMetrics:
        names = (method.service, method.name)
        return StreamMetrics(self._received.series(*names), self._sent.series(*names))

    def read_load(
        self, calls: Callable[[], int], streams: Callable[[], int], nbytes: Callable[[], int]
    ) -> None:
        """Show what is under way whenever somebody looks."""
        registry = self.registry
        Meter(
            registry, "grpc_server_open_calls", "Unary calls under way, plain and carried.", calls
        )
        Meter(registry, "grpc_server_open_streams", "Streaming calls under way.", streams)
        Meter(registry, "grpc_server_open_bytes", "Bytes of the requests under way.", nbytes)

    def _outcome(self, method: Method, code: str) -> _Outcome:
        names = (method.service, method.name)
        predicts = bool(self._modality) and method.scope == PREDICTION_SCOPE
        outcome = _Outcome(
            self._handled.series(*names, code),
            self._seconds.series(*names),
            self._predictions.series(self._modality, code) if predicts else None,
            self._prediction_seconds.series(self._modality) if predicts else None,
        )
        self._outcomes[method.path, code] = outcome
        return outcome


def metrics_page(registry: CollectorRegistry, accept: str = "") -> tuple[int, str, bytes]:
    """Status, content type and body of a /metrics answer.

    accept: the client's header; OpenMetrics, which has exemplars, goes to those that ask for it.
    """
    write, kind = choose_encoder(accept)
    return 200, kind, write(registry)
