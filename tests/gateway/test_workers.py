"""Several gateways on one port: they are kept alive, seen as one, and leave together."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from gateway.settings import GatewaySettings
from gateway.workers import RunningWorkers, running_workers
from tests.gateway.clients import plain_client

ROOT = Path(__file__).parents[2]
ROW = {"features": [1, 2]}
SERVED = re.compile(
    r'http_requests_total\{worker="(\d)",method="POST",route="/predict",status="200"\} (\d+)'
)


@pytest.fixture
async def running(gateway_settings: GatewaySettings) -> AsyncIterator[RunningWorkers]:
    settings = gateway_settings.model_copy(update={"workers": 2})
    async with running_workers(settings) as running:
        await until(lambda: is_ready(running.ops_port))
        yield running


async def until(happened: Callable[[], Awaitable[bool]], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not await happened():
            await asyncio.sleep(0.05)


async def page(port: int, path: str) -> httpx.Response:
    async with plain_client(timeout=30) as client:
        return await client.get(f"http://127.0.0.1:{port}{path}")


async def is_ready(ops_port: int) -> bool:
    try:
        return (await page(ops_port, "/ready")).status_code == 200
    except httpx.TransportError:
        return False


async def predict(port: int) -> int:
    """On a connection of its own, which goes to whichever worker."""
    async with plain_client(timeout=60) as client:
        return (await client.post(f"http://127.0.0.1:{port}/predict", json=ROW)).status_code


async def test_all_workers_answer_and_are_seen_as_one(running: RunningWorkers) -> None:
    statuses = [await predict(running.port) for _ in range(40)]

    for port in (running.ops_port, running.port):
        metrics = (await page(port, "/metrics")).text
        served = {worker: int(count) for worker, count in SERVED.findall(metrics)}
        health = (await page(port, "/health")).json()

        assert set(served) == {"1", "2"}
        assert sum(served.values()) == statuses.count(200) == 40
        assert metrics.count("# TYPE http_requests_total ") == 1
        assert [worker["status"] for worker in health["workers"]] == ["ok", "ok"]
    assert (await page(running.ops_port, "/alive")).status_code == 200


async def test_a_worker_that_dies_is_started_again_and_nobody_is_turned_away(
    running: RunningWorkers,
) -> None:
    before = [worker.pid for worker in running.workers]
    assert before[0] is not None

    os.kill(before[0], signal.SIGKILL)
    await asyncio.sleep(0.1)
    statuses = await asyncio.gather(*(predict(running.port) for _ in range(40)))

    after = [worker.pid for worker in running.workers]
    assert set(statuses) == {200}
    assert after[0] not in (None, before[0])
    assert after[1] == before[1]
    assert await is_ready(running.ops_port)


async def test_the_port_is_not_shared_with_another_gateway(
    running: RunningWorkers, gateway_settings: GatewaySettings
) -> None:
    address = f"127.0.0.1:{running.port}"
    settings = gateway_settings.model_copy(update={"workers": 2, "http_address": address})

    with pytest.raises(OSError, match=f"cannot listen on {address}"):
        async with running_workers(settings):
            pass


@contextmanager
def started(settings: GatewaySettings, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A gateway as a program; whatever becomes of the test, it ends."""
    ours = {
        "MLMESH_HTTP_ADDRESS": settings.http_address,
        "MLMESH_OPS_ADDRESS": settings.ops_address,
        "MLMESH_BACKENDS": json.dumps(settings.backends),
        "MLMESH_INPUT_LOG": str(settings.input_log),
        "MLMESH_WORKERS": "2",
        "MLMESH_LAME_DUCK_SECONDS": "3",
    }
    with subprocess.Popen(
        [sys.executable, "-m", "gateway"],
        cwd=ROOT,
        env={**os.environ, **ours, **environment},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def serving(process: subprocess.Popen[str], events: int) -> list[dict[str, int]]:
    """The lines in which the supervisor and its workers say that they serve."""
    assert process.stderr is not None
    lines: list[dict[str, int]] = []
    while len(lines) < events and (line := process.stderr.readline()):
        if '"event":"serving"' in line:
            lines.append(json.loads(line))
    return lines


def workers_of(supervisor: int) -> list[int]:
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    return [int(child) for child in children]


def has_gone(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


async def test_told_to_leave_they_answer_what_comes_and_go(
    gateway_settings: GatewaySettings,
) -> None:
    with started(gateway_settings) as process:
        port = (await asyncio.to_thread(serving, process, 3))[0]["port"]
        workers = workers_of(process.pid)
        await predict(port)

        process.send_signal(signal.SIGTERM)
        statuses = await asyncio.gather(*(predict(port) for _ in range(10)))

        assert statuses == [200] * 10
        assert await asyncio.to_thread(process.wait, 60) == 0
        assert len(workers) == 2
        assert all(has_gone(worker) for worker in workers)


async def test_they_do_not_outlive_their_supervisor(gateway_settings: GatewaySettings) -> None:
    with started(gateway_settings) as process:
        await asyncio.to_thread(serving, process, 3)
        workers = workers_of(process.pid)

        process.kill()
        process.wait()

        async def gone() -> bool:
            return all(has_gone(worker) for worker in workers)

        assert len(workers) == 2
        await until(gone)


async def test_what_no_worker_can_start_with_ends_the_program_with_2(
    gateway_settings: GatewaySettings, tmp_path: Path
) -> None:
    missing = json.dumps([str(tmp_path / "missing.binpb")])

    with started(gateway_settings, MLMESH_DESCRIPTORS=missing) as process:
        _, errors = await asyncio.to_thread(process.communicate, timeout=60)

    assert process.returncode == 2
    assert "missing.binpb" in errors
    assert "Traceback" not in errors
