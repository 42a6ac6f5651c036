"""The clients that people have, unmodified, against the mesh or any server that has its models.

`pytest tests/conformance --conformance-grpc HOST:PORT --conformance-http HOST:PORT` runs the suite
against a server that is there already, with the models that `python -m tests.conformance.repository
FOLDER` writes. Tests that need more than the protocol says are left out unless it is mlmesh.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.conformance.client import KINDS, Client
from tests.conformance.loop_thread import LoopThread
from tests.conformance.repository import write_repository
from tests.conformance.server import Server, in_other_processes, in_this_process

OPTIONS = ("--conformance-grpc", "--conformance-http")
OURS = {"same-process": in_this_process, "other-process": in_other_processes}


def pytest_addoption(parser: pytest.Parser) -> None:
    for option in OPTIONS:
        parser.addoption(option, metavar="HOST:PORT", help="test the server that answers there")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "server" in metafunc.fixturenames:
        stranger = any(_addresses(metafunc.config))
        places = ["address"] if stranger else list(OURS)
        metafunc.parametrize("server", places, indirect=True, scope="session")


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("conformance")
    write_repository(folder)
    return folder


@pytest.fixture(scope="session")
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    if request.param == "address":
        grpc, http = _addresses(request.config)
        yield Server(grpc, http)
        return
    run = OURS[request.param]
    folder = tmp_path_factory.mktemp("mesh")
    with run(request.getfixturevalue("repository"), folder) as server:
        yield server


@pytest.fixture(scope="module")
def loop(server: Server) -> Iterator[LoopThread]:
    """Where asyncio's clients run. gRPC has one poller for all loops of a process, and two that
    turn at once disturb each other; so it is the server's if that is here."""
    if server.loop is not None:
        yield server.loop
        return
    with LoopThread() as loop:
        yield loop


@pytest.fixture(scope="module")
def no_rubbish() -> Iterator[None]:
    """What clients left open is found when it ends, not in somebody else's test."""
    yield
    gc.collect()


@pytest.fixture(params=KINDS, scope="module")
def client(
    request: pytest.FixtureRequest, server: Server, loop: LoopThread, is_ours: bool
) -> Iterator[Client]:
    """Each of the four clients in turn."""
    with _client(request.param, server, loop, is_ours) as client:
        yield client


@pytest.fixture(scope="module")
def grpc_client(server: Server, loop: LoopThread, is_ours: bool) -> Iterator[Client]:
    """The client that blocks; it alone has async_infer and streams with a callback."""
    with _client("grpc", server, loop, is_ours) as client:
        yield client


@pytest.fixture(scope="module")
def http(server: Server) -> Iterator[httpx.Client]:
    """Sends what tritonclient cannot."""
    if not server.http:
        pytest.skip("no address for HTTP was given")
    # httpx would ask for packed answers.
    headers = {"accept-encoding": ""}
    url = f"http://{server.http}/v2"
    with httpx.Client(base_url=url, timeout=30, headers=headers) as client:
        yield client


@pytest.fixture(scope="session")
def is_ours(request: pytest.FixtureRequest, server: Server) -> bool:
    if not any(_addresses(request.config)):
        return True
    with LoopThread() as loop:
        kind = "grpc" if server.grpc else "http"
        with Client(kind, server, loop) as client:
            return bool(client.plain("get_server_metadata")["name"] == "mlmesh")


@pytest.fixture
def beyond(is_ours: bool) -> Callable[[str], None]:
    """Leaves a test out where the server is not mlmesh; told what the protocol does not say."""

    def leave_out(reason: str) -> None:
        if not is_ours:
            pytest.skip(reason)

    return leave_out


@contextmanager
def _client(kind: str, server: Server, loop: LoopThread, exact: bool) -> Iterator[Client]:
    address = server.grpc if kind.startswith("grpc") else server.http
    if not address:
        pytest.skip(f"no address for {kind} was given")
    with Client(kind, server, loop, exact=exact) as client:
        yield client


def _addresses(config: pytest.Config) -> list[str]:
    # The options are unknown where all tests run: pytest reads this file too late for them.
    return [config.getoption(option, None) or "" for option in OPTIONS]
