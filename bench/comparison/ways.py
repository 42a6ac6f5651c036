"""The ways in that are compared, each over servers that are ready."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import grpc

from bench.comparison import h2load, wrk
from bench.comparison.load import HttpRequest, LoadFailed, Seen
from bench.comparison.payloads import Payload
from bench.comparison.program import Running
from bench.comparison.python_callers import CHANNEL_OPTIONS, python_load

ANSWER_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Asked:
    """What a single request showed."""

    seconds: float
    answer_bytes: int
    """Of the answer without heads."""


@dataclass(frozen=True, slots=True)
class Load:
    """So many callers that ask for so many seconds."""

    payload: Payload
    callers: int
    seconds: float
    asked: Asked


@dataclass(frozen=True, slots=True)
class Way:
    title: str
    address: str
    servers: Sequence[Running]
    """Those that work for it, directly or behind another."""
    ask: Callable[[str, Payload], Asked]
    """Asks once, at an address; raises LoadFailed when the answer is not a good one."""
    put: Callable[[str, Load], Seen]
    """Puts a load on an address."""
    carries: Callable[[Payload], bool] = lambda _: True


def over_http(
    title: str,
    address: str,
    servers: Sequence[Running],
    kind: str,
    request_of: Callable[[Payload], HttpRequest | None],
) -> Way:
    """kind: the name that Python's callers have for it, where wrk is missing."""

    def request(payload: Payload) -> HttpRequest:
        found = request_of(payload)
        if found is None:
            raise LoadFailed("has no such form")
        return found

    def ask(address: str, payload: Payload) -> Asked:
        return _ask_http(address, request(payload))

    def put(address: str, load: Load) -> Seen:
        if not wrk.is_installed():
            return python_load(kind, address, load.payload.name, load.callers, load.seconds)
        return wrk.http_load(address, request(load.payload), load.callers, load.seconds)

    return Way(title, address, servers, ask, put, lambda payload: request_of(payload) is not None)


def over_grpc(title: str, address: str, servers: Sequence[Running]) -> Way:
    def put(address: str, load: Load) -> Seen:
        if not h2load.is_installed():
            return python_load("unary", address, load.payload.name, load.callers, load.seconds)
        return h2load.unary_load(
            address,
            load.payload.grpc.method,
            load.payload.grpc.message.SerializeToString(),
            load.asked.answer_bytes,
            load.callers,
            load.seconds,
        )

    return Way(title, address, servers, _ask_grpc, put)


def over_python(title: str, address: str, servers: Sequence[Running], kind: str) -> Way:
    """By Python's callers; their first request is an ordinary call."""

    def put(address: str, load: Load) -> Seen:
        return python_load(kind, address, load.payload.name, load.callers, load.seconds)

    return Way(title, address, servers, _ask_grpc, put)


def _ask_http(address: str, request: HttpRequest) -> Asked:
    connection = http.client.HTTPConnection(address, timeout=ANSWER_SECONDS)
    began = time.perf_counter()
    try:
        connection.request("POST", request.path, request.body, dict(request.headers))
        answer = connection.getresponse()
        said = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise LoadFailed(f"{request.path}: {error}") from None
    finally:
        connection.close()
    if answer.status != 200:
        raise LoadFailed(f"{request.path} was answered with {answer.status}, {_reason(said)}")
    return Asked(time.perf_counter() - began, len(said))


def _reason(said: bytes) -> str:
    """What an error says, if it is one of the mesh's."""
    try:
        return str(json.loads(said)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return repr(said[:200])


def _ask_grpc(address: str, payload: Payload) -> Asked:
    asked = payload.grpc
    with grpc.insecure_channel(address, CHANNEL_OPTIONS) as channel:
        method: Any = channel.unary_unary(asked.method)
        message = asked.message.SerializeToString()
        began = time.perf_counter()
        try:
            said = method(message, timeout=ANSWER_SECONDS, wait_for_ready=True)
        except grpc.RpcError as error:
            raise LoadFailed(f"{asked.method}: {error.details()}") from None
    asked.answer.FromString(said)
    return Asked(time.perf_counter() - began, len(said))
