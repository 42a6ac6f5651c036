"""How long Kubernetes' probes wait while a service is saturated: `python bench/probes.py`.

Starts the predictor, keeps it busy with batches from several callers and probes readiness as a
kubelet does, with a new connection each time. The promise is 200 ms.
"""

from __future__ import annotations

import asyncio
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from rich.console import Console
from rich.progress import track
from rich.table import Table

from mlmesh.v1 import predictor_pb2 as pb, predictor_pb2_grpc as rpc

ROOT = Path(__file__).parents[1]
PROMISE_MS = 200
PROBES = 200
CALLERS = 16
ROWS = [pb.Row(features=[39.1, 18.7, 181, 3750])] * 1000


@contextmanager
def running_predictor() -> Iterator[tuple[str, str]]:
    """The predictor as a process of its own; gives its gRPC and health addresses."""
    ports = []
    for _ in range(3):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            ports.append(free.getsockname()[1])
    serving, health, metrics = (f"127.0.0.1:{port}" for port in ports)
    environment = {
        **os.environ,
        "MLMESH_GRPC_ADDRESS": serving,
        "MLMESH_HEALTH_ADDRESS": health,
        "MLMESH_METRICS_ADDRESS": metrics,
        "MLMESH_LAME_DUCK_SECONDS": "0",
        "MLMESH_LOG_LEVEL": "error",
    }
    command = [sys.executable, "-m", "predictor"]
    with subprocess.Popen(command, cwd=ROOT, env=environment) as process:
        try:
            yield serving, health
        finally:
            process.terminate()


def probe(address: str) -> float:
    """Milliseconds that one probe took."""
    started = time.perf_counter()
    # Channels of one process share connections unless told not to.
    own = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(address, options=own) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service="readiness")
        answer = stub.Check(request, timeout=10, wait_for_ready=True)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    return (time.perf_counter() - started) * 1000


async def measured(serving: str, health: str) -> dict[str, list[float]]:
    async with grpc.aio.insecure_channel(serving) as channel:
        stub: rpc.PredictorServiceAsyncStub = rpc.PredictorServiceStub(channel)
        request = pb.BatchPredictRequest(rows=ROWS)
        await stub.BatchPredict(request, wait_for_ready=True, timeout=60)

        async def hammer() -> None:
            while True:
                await stub.BatchPredict(request)

        async def probes(what: str) -> list[float]:
            rounds = track(range(PROBES), what, console=Console(stderr=True))
            return [await asyncio.to_thread(probe, health) for _ in rounds]

        idle = await probes("idle")
        load = [asyncio.create_task(hammer()) for _ in range(CALLERS)]
        busy = await probes("saturated")
        for task in load:
            task.cancel()
        await asyncio.gather(*load, return_exceptions=True)
    return {"idle": idle, "saturated": busy}


def main() -> None:
    with running_predictor() as (serving, health):
        found = asyncio.run(measured(serving, health))
    table = Table("service", "probes", "p50 ms", "p99 ms", "worst ms", f"within {PROMISE_MS} ms")
    for name, times in found.items():
        within = sum(ms <= PROMISE_MS for ms in times)
        p99 = statistics.quantiles(times, n=100)[98]
        figures = (f"{one:.1f}" for one in (statistics.median(times), p99, max(times)))
        table.add_row(name, str(len(times)), *figures, f"{within} of {len(times)}")
    Console().print(table)


if __name__ == "__main__":
    main()
