"""Real predictors and a real gateway as processes, to be balanced between and killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.ports import free_ports
from tests.tiny_models import write_classifier, write_key

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 60.0
PREDICTOR = "mlmesh.v1.PredictorService"


@dataclass(frozen=True, slots=True)
class Process:
    running: subprocess.Popen[bytes]
    log: Path

    @property
    def ended(self) -> bool:
        return self.running.poll() is not None

    def kill(self) -> None:
        self.running.kill()
        self.running.wait(PATIENCE_SECONDS)

    def freeze(self) -> None:
        self.running.send_signal(signal.SIGSTOP)

    def leave(self) -> None:
        """Ask it to leave in order; comes back when it has."""
        self.running.send_signal(signal.SIGTERM)
        self.running.wait(PATIENCE_SECONDS)


@dataclass(frozen=True, slots=True)
class Replica(Process):
    version: str
    address: str


@dataclass(frozen=True, slots=True)
class Gateway(Process):
    url: str


class Fleet:
    """Starts programs in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        write_key(folder / "keys")

    @contextmanager
    def replica(self, version: str, address: str) -> Iterator[Replica]:
        """A predictor whose only model has this version; ready when it is given."""
        name = f"{version}-{address.replace(':', '-')}"
        host = address.rpartition(":")[0]
        health, metrics = free_ports(2)
        if not (self.folder / name).exists():
            write_classifier(self.folder / name / "models", version=version)
        environment = {
            "MLMESH_MODELS": str(self.folder / name / "models"),
            "MLMESH_REPOSITORY": str(self.folder / name / "registered"),
            "MLMESH_KEYS": str(self.folder / "keys"),
            "MLMESH_DEFAULT_MODEL": "tiny",
            "MLMESH_GRPC_ADDRESS": address,
            "MLMESH_HEALTH_ADDRESS": f"{host}:{health}",
            "MLMESH_METRICS_ADDRESS": f"{host}:{metrics}",
            "MLMESH_LAME_DUCK_SECONDS": "0.5",
        }
        with self._running("predictor", name, environment) as (process, log):
            _wait_until(lambda: _serves(f"{host}:{health}"), log)
            yield Replica(process, log, version, address)

    @contextmanager
    def standing(self, versions: Mapping[str, str]) -> Iterator[Callable[[], list[Replica]]]:
        """One replica for each address: whoever calls gets them all, and those anew that ended.

        versions: of their models, by address.
        """
        replicas: dict[str, Replica] = {}
        with ExitStack() as stack, ThreadPoolExecutor() as pool:

            def start(address: str) -> Replica:
                return stack.enter_context(self.replica(versions[address], address))

            def all_of_them() -> list[Replica]:
                ended = [one for one in versions if one not in replicas or replicas[one].ended]
                replicas.update(zip(ended, pool.map(start, ended), strict=True))
                return [replicas[one] for one in versions]

            yield all_of_them

    @contextmanager
    def gateway(self, target: str, more: Mapping[str, str]) -> Iterator[Gateway]:
        """A gateway that finds predictors by `target`; ready when it is given."""
        http, ops = free_ports(2)
        environment = {
            "MLMESH_HTTP_ADDRESS": f"127.0.0.1:{http}",
            "MLMESH_OPS_ADDRESS": f"127.0.0.1:{ops}",
            "MLMESH_BACKENDS": json.dumps({PREDICTOR: target}),
            "MLMESH_INPUT_LOG": str(self.folder / "inputs.jsonl"),
            "MLMESH_LAME_DUCK_SECONDS": "0",
            **more,
        }
        with self._running("gateway", f"gateway-{http}", environment) as (process, log):
            url = f"http://127.0.0.1:{http}"
            _wait_until(lambda: _ready(url), log)
            yield Gateway(process, log, url)

    @contextmanager
    def _running(
        self, program: str, name: str, environment: dict[str, str]
    ) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", program],
                cwd=ROOT,
                env={**os.environ, **environment},
                stdout=output,
                stderr=output,
            )
        try:
            yield process, log
        finally:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait(PATIENCE_SECONDS)


class Load:
    """Callers that ask for a prediction again and again, until `stop`."""

    def __init__(self, gateway: Gateway, callers: int = 8) -> None:
        self._gateway = gateway
        self._callers = callers
        self._stopped = False
        self.statuses: Counter[int] = Counter()
        self.versions: Counter[str] = Counter()
        self.last: list[str] = []
        """The versions of the newest answers."""

    def __enter__(self) -> Load:
        self._pool = ThreadPoolExecutor(self._callers)
        self._asking = [self._pool.submit(self._ask) for _ in range(self._callers)]
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped = True
        self._pool.shutdown()
        for asking in self._asking:
            asking.result()

    def _ask(self) -> None:
        with httpx.Client(base_url=self._gateway.url, timeout=30) as client:
            while not self._stopped:
                answer = client.post("/predict", json={"features": [1, 2]})
                self.statuses[answer.status_code] += 1
                if answer.status_code == 200:
                    version = answer.json()["model_version"]
                    self.versions[version] += 1
                    self.last = [*self.last[-199:], version]

    def until(self, holds: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            if time.monotonic() > deadline:
                pytest.fail(f"{what}; statuses {self.statuses}, versions {self.versions}")
            time.sleep(0.02)


def versions_of(gateway: Gateway, count: int, **headers: str) -> Counter[str]:
    """Which versions answer so many requests, all of which must go well."""
    versions: Counter[str] = Counter()
    with httpx.Client(base_url=gateway.url, headers=headers, timeout=30) as client:
        for _ in range(count):
            answer = client.post("/predict", json={"features": [1, 2]})
            assert answer.status_code == 200, answer.text
            versions[answer.json()["model_version"]] += 1
    return versions


def wait_for_answers(gateway: Gateway, versions: set[str]) -> None:
    """Until all of these answer, and no others any more."""
    with Load(gateway, callers=4) as load:
        load.until(lambda: set(load.last[-100:]) == versions, f"not {versions}")


def _wait_until(holds: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            pytest.fail(f"not ready:\n{log.read_text()[-3000:]}")
        time.sleep(0.05)


def _serves(address: str) -> bool:
    request = health_pb2.HealthCheckRequest(service="readiness")
    with grpc.insecure_channel(address) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=1)
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/ready", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False
