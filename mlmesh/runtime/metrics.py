"""What every server counts, in Prometheus' terms.

The grpc_server_* names are those of the gRPC ecosystem's own middlewares.
"""

from __future__ import annotations

from contextlib import suppress

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from mlmesh.runtime.contracts import Method

LATENCY_BUCKETS = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
PREDICTION_SCOPE = "predict"


class ServerMetrics:
    """Counts and times the calls of one server.

    modality: what its models work on ("tabular", "text", "image"); empty for a server without
    models.
    """

    def __init__(self, registry: CollectorRegistry, modality: str = "") -> None:
        self.registry = registry
        self._modality = modality
        self._handled = Counter(
            "grpc_server_handled_total",
            "Calls that were answered, plain or carried.",
            ["grpc_service", "grpc_method", "grpc_code"],
            registry=registry,
        )
        self._seconds = Histogram(
            "grpc_server_handling_seconds",
            "Seconds from a call's arrival to its answer.",
            ["grpc_service", "grpc_method"],
            registry=registry,
            buckets=LATENCY_BUCKETS,
        )
        self._predictions = Counter(
            "prediction_requests_total",
            "Calls to models.",
            ["modality", "status"],
            registry=registry,
        )
        self._prediction_seconds = Histogram(
            "prediction_latency_seconds",
            "Seconds from the arrival of a call to a model to its answer.",
            ["modality"],
            registry=registry,
            buckets=LATENCY_BUCKETS,
        )

    def observe(self, method: Method, code: str, seconds: float) -> None:
        self._handled.labels(method.service, method.name, code).inc()
        self._seconds.labels(method.service, method.name).observe(seconds)
        if method.scope == PREDICTION_SCOPE:
            self._predictions.labels(self._modality, code).inc()
            self._prediction_seconds.labels(self._modality).observe(seconds)


class InferenceMetrics:
    """Times model runs, and shows which versions are there for them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "model_inference_duration_seconds",
            "Seconds that a model ran for one batch.",
            ["model", "version"],
            registry=registry,
            buckets=LATENCY_BUCKETS,
        )

        self._loaded = Gauge(
            "model_version_loaded",
            "1 for every model version that answers, by what computes it.",
            ["model", "version", "provider"],
            registry=registry,
        )

    def observe(self, model: str, version: str, seconds: float) -> None:
        self._seconds.labels(model, version).observe(seconds)

    def loaded(self, model: str, version: str, provider: str) -> None:
        self._loaded.labels(model, version, provider).set(1)

    def unloaded(self, model: str, version: str, provider: str) -> None:
        """Nobody asks for its figures any more; they would pile up with every version."""
        with suppress(KeyError):
            self._loaded.remove(model, version, provider)
            self._seconds.remove(model, version)


def metrics_page(registry: CollectorRegistry) -> tuple[str, bytes]:
    """Content type and body of a /metrics answer."""
    return CONTENT_TYPE_LATEST, generate_latest(registry)
