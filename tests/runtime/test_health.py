from __future__ import annotations

import asyncio
import time

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import CollectorRegistry

from mlmesh.inference.host import Host
from mlmesh.runtime.health import Health, running_health
from mlmesh.runtime.metrics import ServerMetrics
from mlmesh.runtime.server import running_server
from mlmesh.v1 import predictor_pb2 as pb, predictor_pb2_grpc as rpc
from predictor.service import predictor_service

SERVICE = "mlmesh.v1.PredictorService"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
PROMISED_SECONDS = 0.2


def check(port: int, service: str) -> int:
    """What a kubelet does: a new connection, one Check, a deadline."""
    # Channels of one process share connections unless told not to.
    own = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=own) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service=service)
        return int(stub.Check(request, timeout=5).status)


@pytest.mark.parametrize("service", ["", "readiness", SERVICE])
async def test_a_process_is_ready_when_it_says_so_and_alive_before(service: str) -> None:
    health = Health([SERVICE])
    async with running_health("127.0.0.1:0", health) as port:
        before = await asyncio.to_thread(check, port, service)
        alive = await asyncio.to_thread(check, port, "liveness")
        await health.set_ready(True)
        ready = await asyncio.to_thread(check, port, service)
        await health.set_ready(False)
        leaving = await asyncio.to_thread(check, port, service)

    assert (before, alive, ready, leaving) == (NOT_SERVING, SERVING, SERVING, NOT_SERVING)


async def test_an_unknown_service_is_not_found() -> None:
    async with running_health("127.0.0.1:0", Health([SERVICE])) as port:
        with pytest.raises(grpc.RpcError) as refused:
            await asyncio.to_thread(check, port, "nobody")

    assert refused.value.code() is grpc.StatusCode.NOT_FOUND


async def test_watch_tells_every_change() -> None:
    health = Health([SERVICE])
    async with (
        running_health("127.0.0.1:0", health) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        watch = health_pb2_grpc.HealthStub(channel).Watch(
            health_pb2.HealthCheckRequest(service="readiness")
        )
        before = await watch.read()
        await health.set_ready(True)
        after = await watch.read()
        watch.cancel()

    assert (before.status, after.status) == (NOT_SERVING, SERVING)


async def test_many_watchers_do_not_keep_a_probe_waiting() -> None:
    async with (
        running_health("127.0.0.1:0", Health([SERVICE])) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        stub = health_pb2_grpc.HealthStub(channel)
        watches = [stub.Watch(health_pb2.HealthCheckRequest()) for _ in range(100)]
        for watch in watches:
            await watch.read()

        started = time.perf_counter()
        status = await asyncio.to_thread(check, port, "liveness")
        seconds = time.perf_counter() - started
        for watch in watches:
            watch.cancel()

    assert status == SERVING
    assert seconds < 10 * PROMISED_SECONDS


async def test_liveness_falls_when_the_loop_no_longer_turns_and_rises_when_it_does() -> None:
    async with running_health("127.0.0.1:0", Health([], stuck_seconds=1.5)) as port:
        found: list[int] = []

        def probe() -> None:
            deadline = time.monotonic() + 20
            while NOT_SERVING not in found and time.monotonic() < deadline:
                found.append(check(port, "liveness"))
                time.sleep(0.1)

        probing = asyncio.create_task(asyncio.to_thread(probe))
        await asyncio.sleep(0)
        time.sleep(4)  # noqa: ASYNC251 a stuck loop is what is tested
        await probing
        recovered = NOT_SERVING
        async with asyncio.timeout(20):
            while recovered != SERVING:
                recovered = await asyncio.to_thread(check, port, "liveness")
                await asyncio.sleep(0.1)

    assert found[0] == SERVING
    assert found[-1] == NOT_SERVING


async def test_probes_answer_while_the_server_is_saturated(
    host: Host, registry: CollectorRegistry
) -> None:
    health = Health([SERVICE])
    metrics = ServerMetrics(registry)
    async with (
        running_health("127.0.0.1:0", health) as health_port,
        running_server("127.0.0.1:0", [predictor_service(host)], metrics, health) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        await health.set_ready(True)
        stub = rpc.PredictorServiceStub(channel)
        rows = [pb.Row(features=[1, 2])] * 2000

        async def hammer() -> None:
            while True:
                await stub.BatchPredict(pb.BatchPredictRequest(rows=rows))

        load = [asyncio.create_task(hammer()) for _ in range(16)]
        seconds = []
        for _ in range(30):
            started = time.perf_counter()
            assert await asyncio.to_thread(check, health_port, "readiness") == SERVING
            seconds.append(time.perf_counter() - started)
        for task in load:
            task.cancel()
        await asyncio.gather(*load, return_exceptions=True)

    # Ten times the promise, for a noisy machine; bench/ measures the promise itself.
    assert max(seconds) < 10 * PROMISED_SECONDS


async def test_health_is_also_on_the_services_own_port(
    host: Host, registry: CollectorRegistry
) -> None:
    health = Health([SERVICE])
    services = [predictor_service(host)]
    async with running_server("127.0.0.1:0", services, ServerMetrics(registry), health) as port:
        before = await asyncio.to_thread(check, port, "readiness")
        await health.set_ready(True)
        after = await asyncio.to_thread(check, port, "readiness")

    assert (before, after) == (NOT_SERVING, SERVING)
