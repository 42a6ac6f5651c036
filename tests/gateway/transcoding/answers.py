"""What our gateway and a real Envoy answer, before the same program, with the same contract."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.running import running_gateway
from gateway.settings import GatewaySettings
from tests.conformance.loop_thread import LoopThread
from tests.gateway.transcoding.asked import Asked
from tests.gateway.transcoding.echo import OTHER, SERVICE, serving_echo, write_descriptors
from tests.gateway.transcoding.envoy import running_envoy

SECONDS = 30
DIED = 0


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    """DIED: there was none."""
    said: Any = None
    """What the body says, when the request was understood."""


@contextmanager
def gateway_and_backend(folder: Path) -> Iterator[tuple[int, int, Path]]:
    """The port of our gateway, the port of the program behind it, and the contract."""
    descriptors = write_descriptors(folder / "transcoding.binpb")
    with LoopThread() as loop, loop.inside(serving_echo()) as backend:
        target = f"127.0.0.1:{backend}"
        settings = GatewaySettings.model_validate(
            {
                "http_address": "127.0.0.1:0",
                "ops_address": "127.0.0.1:0",
                "backends": {SERVICE: target, OTHER: target},
                "descriptors": [descriptors],
                "input_log": folder / "inputs.jsonl",
                "drain_seconds": 1,
            }
        )
        with loop.inside(running_gateway(settings)) as gateway:
            yield gateway.port, backend, descriptors


class Envoys:
    """An Envoy, and another one whenever it dies."""

    def __init__(self, binary: Path, descriptors: Path, backend: int, folder: Path) -> None:
        self._binary = binary
        self._descriptors = descriptors
        self._backend = backend
        self._folder = folder
        self._count = 0

    def __enter__(self) -> Envoys:
        self._start()
        return self

    def __exit__(self, *error: Any) -> None:
        self._running.__exit__(*error)

    def answer(self, asked: Asked) -> Answer:
        answer = answer_of(self._port, asked)
        if answer.status == DIED:
            self._running.__exit__(None, None, None)
            self._start()
        return answer

    def _start(self) -> None:
        self._count += 1
        folder = self._folder / f"envoy{self._count}"
        folder.mkdir()
        self._running: AbstractContextManager[int] = running_envoy(
            self._binary, self._descriptors, self._backend, folder
        )
        self._port = self._running.__enter__()


def answer_of(port: int, asked: Asked) -> Answer:
    """Sends a request as it stands, without a library that puts it right."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    body = asked.body.encode() if isinstance(asked.body, str) else asked.body
    connection.putrequest(asked.verb, asked.target)
    if body is not None and asked.content_type:
        connection.putheader("content-type", asked.content_type)
    if body is not None or asked.verb in ("POST", "PUT", "PATCH"):
        connection.putheader("content-length", str(len(body or b"")))
    try:
        connection.endheaders(body)
        response = connection.getresponse()
        raw = response.read()
    except (ConnectionResetError, http.client.RemoteDisconnected):
        return Answer(DIED)
    finally:
        connection.close()
    understood = response.status == 200 and raw
    return Answer(response.status, json.loads(raw) if understood else None)
