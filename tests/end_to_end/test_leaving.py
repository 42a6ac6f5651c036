"""SIGTERM under load: clients that keep sending for a while see no failure."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import grpc
import httpx
import pytest

from mlmesh.v1 import predictor_pb2 as pb, predictor_pb2_grpc as rpc
from tests.end_to_end.conftest import ROOT, start_mesh
from tests.inference.test_trial import write_endless
from tests.ports import free_ports
from tests.tiny_models import write_key

ROW = [39.1, 18.7, 181, 3750]
KEEP_SENDING_SECONDS = 3.0


def start_predictor(environment: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "predictor"]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)


def child_of(parent: int, program: str) -> int:
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    [child] = [
        int(child)
        for child in children
        if f"-m\0{program}\0" in Path(f"/proc/{child}/cmdline").read_text()
    ]
    return child


async def sent_until(
    ended: asyncio.Event, once: Callable[[], Awaitable[object]], callers: int = 8
) -> int:
    """Call `once` again and again from `callers` sides; any failure fails the test."""
    done = 0

    async def call() -> None:
        nonlocal done
        while not ended.is_set():
            await once()
            done += 1

    await asyncio.gather(*(call() for _ in range(callers)))
    return done


async def test_a_service_that_is_told_to_leave_fails_no_call(tmp_path: Path) -> None:
    port, health, metrics = free_ports(3)
    environment = {
        **os.environ,
        "MLMESH_GRPC_ADDRESS": f"127.0.0.1:{port}",
        "MLMESH_HEALTH_ADDRESS": f"127.0.0.1:{health}",
        "MLMESH_METRICS_ADDRESS": f"127.0.0.1:{metrics}",
    }
    process = start_predictor(environment)
    ended = asyncio.Event()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = rpc.PredictorServiceStub(channel)
        await stub.Predict(pb.PredictRequest(features=ROW), wait_for_ready=True, timeout=60)
        load = asyncio.create_task(
            sent_until(ended, lambda: stub.Predict(pb.PredictRequest(features=ROW)))
        )
        await asyncio.sleep(0.5)

        process.send_signal(signal.SIGTERM)
        await asyncio.sleep(KEEP_SENDING_SECONDS)
        ended.set()

        assert await load > 100
    assert await asyncio.to_thread(process.wait, 60) == 0


async def test_a_mesh_that_is_told_to_leave_fails_no_request(tmp_path: Path) -> None:
    mesh = await asyncio.to_thread(start_mesh, tmp_path)
    ended = asyncio.Event()
    limits = httpx.Limits(max_connections=8)
    async with httpx.AsyncClient(base_url=mesh.url, limits=limits, timeout=30) as client:

        async def once() -> None:
            response = await client.post("/predict", json={"features": ROW})
            assert response.status_code == 200, response.text

        load = asyncio.create_task(sent_until(ended, once))
        await asyncio.sleep(0.5)
        began = time.monotonic()
        mesh.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(1)
        ready = (await client.get("/ready")).status_code
        await asyncio.sleep(KEEP_SENDING_SECONDS - (time.monotonic() - began))
        ended.set()

        assert await load > 100
    assert ready == 503
    assert await asyncio.to_thread(mesh.process.wait, 60) == 0


async def test_a_predictor_that_is_killed_is_back_without_anyone_doing_anything(
    tmp_path: Path,
) -> None:
    mesh = await asyncio.to_thread(start_mesh, tmp_path, {"MLMESH_LAME_DUCK_SECONDS": "0"})
    try:
        async with httpx.AsyncClient(base_url=mesh.url, timeout=30) as client:
            predictor = await asyncio.to_thread(child_of, mesh.process.pid, "predictor")
            os.kill(predictor, signal.SIGKILL)

            statuses = set()
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                status = (await client.post("/predict", json={"features": ROW})).status_code
                statuses.add(status)
                if status == 200 and 503 in statuses:
                    break
                await asyncio.sleep(0.05)
            ready = (await client.get("/ready")).status_code
    finally:
        assert await asyncio.to_thread(mesh.stop) == 0

    # Calls that can be repeated are tried again for a moment; beyond that, 503 and nothing else.
    assert statuses <= {200, 503}
    assert 200 in statuses
    assert ready == 200


@pytest.mark.parametrize("program", ["predictor", "gateway"])
def test_a_wrong_setting_is_named_and_ends_the_program_with_2(program: str) -> None:
    environment = {
        **os.environ,
        "MLMESH_LAME_DUCK_SECONDS": "-1",
    }

    done = subprocess.run(
        [sys.executable, "-m", program], cwd=ROOT, env=environment, capture_output=True, text=True
    )

    assert done.returncode == 2
    assert "MLMESH_LAME_DUCK_SECONDS: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_service_that_is_told_to_leave_while_it_loads_goes_at_once(tmp_path: Path) -> None:
    write_endless(tmp_path / "models")
    write_key(tmp_path / "keys")
    port, health, metrics = free_ports(3)
    process = start_predictor(
        {
            **os.environ,
            "MLMESH_MODELS": str(tmp_path / "models"),
            "MLMESH_KEYS": str(tmp_path / "keys"),
            "MLMESH_GRPC_ADDRESS": f"127.0.0.1:{port}",
            "MLMESH_HEALTH_ADDRESS": f"127.0.0.1:{health}",
            "MLMESH_METRICS_ADDRESS": f"127.0.0.1:{metrics}",
        }
    )
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", health), 1).close()
            break
        except OSError:
            time.sleep(0.1)
    time.sleep(1)

    process.send_signal(signal.SIGTERM)

    assert process.wait(20) == 0
