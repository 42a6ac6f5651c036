"""What one request pays for traces, in CPU time: `python -m bench.tracing`.

It passes what a request passes on its way through the gateway and a service, alone in its batch:
without a collector, with one but not traced itself, and traced. Spans are made in full and then
dropped; sending them is the work of a thread of the SDK's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median

from opentelemetry.sdk.trace import TracerProvider

from bench.metrics import REQUESTS, ROUNDS, ROUTE, microseconds
from mlmesh.runtime.call import Call, sampled_trace_id
from mlmesh.runtime.tracing import MEMBERS, Batch, Tracing, batch_ran, members_of

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0"
METHOD = "mlmesh.v1.PredictorService/Predict"


def passing(tracing: Tracing | None, *, sampled: bool) -> Callable[[], None]:
    """Everything in the product that asks whether a request is traced, once."""
    traceparent = TRACEPARENT + "01"[sampled]
    elsewhere = Call(request_id="1f6c0c5d7a1b", traceparent=traceparent)
    # Where the trace begins here, there is chance to ask.
    arriving = replace(elsewhere, root=not sampled)

    def through_gateway() -> Call:
        call = arriving if tracing is None else tracing.served("POST", arriving)
        sent = call if tracing is None else tracing.sent(METHOD, call)
        if sent.span is not None:
            sent.span.end("OK")
        sampled_trace_id(call.traceparent)
        if call.span is not None:
            call.span.end_http("POST", ROUTE, 200)
        return sent

    def through_service() -> None:
        call = elsewhere if tracing is None else tracing.served(METHOD, elsewhere)
        span = call.span if call is not None else None
        MEMBERS.set(members_of([(span, 0.0)]))
        if MEMBERS.get():
            now = time.time_ns()
            batch_ran(Batch("penguins", "v1.0", "CPUExecutionProvider", 1, now, now))
        sampled_trace_id(call.traceparent)
        if call.span is not None:
            call.span.put(rpc__method=METHOD, mlmesh__attempt=0)
            call.span.end("OK")

    def pass_through() -> None:
        through_gateway()
        through_service()

    return pass_through


def ways() -> dict[str, Callable[[], None]]:
    tracing = Tracing(TracerProvider(shutdown_on_exit=False).get_tracer("bench"), 0)
    return {
        "no collector": passing(None, sampled=False),
        "a collector, not traced": passing(tracing, sampled=False),
        "traced": passing(tracing, sampled=True),
    }


def main() -> None:
    taken: dict[str, list[float]] = {name: [] for name in ways()}
    for _ in range(ROUNDS):
        for name, count in ways().items():
            taken[name].append(microseconds(count))
    print(f"medians of {ROUNDS} rounds of {REQUESTS:,} requests")
    for name, all_of in taken.items():
        print(f"{name:24} {median(all_of):6.2f} us of CPU a request")


if __name__ == "__main__":
    main()
