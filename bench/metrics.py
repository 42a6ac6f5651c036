"""What all metrics of one request cost, in CPU time: `python -m bench.metrics`.

One request through the gateway and a service, alone in its batch, writes every series that it can.
The same numbers are written by prometheus_client's own counters and histograms, for comparison.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

from prometheus_client import CollectorRegistry, Counter, Histogram

from gateway.traffic import HttpMetrics
from mlmesh.inference.metrics import RUN_BUCKETS, InferenceMetrics
from mlmesh.inference.statistics import Spent
from mlmesh.runtime.call import sampled_trace_id
from mlmesh.runtime.contracts import methods_of
from mlmesh.runtime.metrics import ServerMetrics
from mlmesh.v1 import predictor_pb2 as pb

ROUNDS = 5
REQUESTS = 20_000
ROUTE = "/v1/models/{model}:predict"
SPENT = Spent(4_000, 21_000, 3_000)
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"


def ours() -> Callable[[], None]:
    """Everything that mlmesh counts of one request."""
    registry = CollectorRegistry()
    http, server = HttpMetrics(registry), ServerMetrics(registry, "tabular")
    version = InferenceMetrics(registry).version("penguins", "v1.0")
    contract = pb.DESCRIPTOR.services_by_name["PredictorService"]
    method = next(one for one in methods_of(contract) if one.name == "Predict")

    def count() -> None:
        http.observe("POST", ROUTE, 200, 0.0021, sampled_trace_id(TRACEPARENT))
        server.observe(method, "OK", 0.0012, sampled_trace_id(TRACEPARENT))
        version.waited(0.0001)
        version.ran(1, SPENT)

    return count


def theirs(*, cached: bool) -> Callable[[], None]:
    """The same numbers by prometheus_client. cached: the labels are resolved once."""
    registry = CollectorRegistry()
    names = (("http", 3, 2), ("server", 3, 2), ("prediction", 2, 1))
    counters = [Counter(name, ".", list("abc"[:n]), registry=registry) for name, n, _ in names]
    histograms = [
        Histogram(f"{name}_s", ".", list("abc"[:n]), registry=registry, buckets=RUN_BUCKETS)
        for name, _, n in (*names, ("run", 0, 2), ("rows", 0, 2), ("wait", 0, 2))
    ]
    phases = Counter("phases", ".", list("abc"), registry=registry)
    writes: list[tuple[Counter | Histogram, tuple[str, ...]]] = [
        *((one, ("penguins", "v1.0", "200")[: len(one._labelnames)]) for one in counters),
        *((one, ("penguins", "v1.0")[: len(one._labelnames)]) for one in histograms),
        *((phases, ("penguins", "v1.0", phase)) for phase in ("join", "compute", "part")),
    ]
    children = [one.labels(*labels) for one, labels in writes]

    def count() -> None:
        for at, (one, labels) in enumerate(writes):
            child = children[at] if cached else one.labels(*labels)
            if isinstance(child, Counter):
                child.inc()
            else:
                child.observe(0.0012)

    return count


def microseconds(count: Callable[[], None]) -> float:
    """CPU time of one call."""
    began = time.process_time()
    for _ in range(REQUESTS):
        count()
    return (time.process_time() - began) / REQUESTS * 1e6


def main() -> None:
    ways = {
        "mlmesh": ours(),
        "prometheus_client, labels resolved once": theirs(cached=True),
        "prometheus_client": theirs(cached=False),
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, count in ways.items():
            taken[name].append(microseconds(count))
    for name, all_of in taken.items():
        print(f"{name:42} {median(all_of):6.2f} us of CPU a request")


if __name__ == "__main__":
    main()
