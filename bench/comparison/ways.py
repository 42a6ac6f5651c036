"""The ways in that are compared, each over servers that are ready."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.comparison.load import HttpRequest, LoadFailed, Seen
from bench.comparison.payloads import Payload
from bench.comparison.program import Running
from bench.comparison.wrk import http_load

ANSWER_SECONDS = 60

Load = Callable[[Payload, int, float], Seen]
"""Puts a payload for so many callers and seconds."""


@dataclass(frozen=True, slots=True)
class Way:
    title: str
    servers: Sequence[Running]
    """Those that work for it, directly or behind another."""
    load: Load


def by_http(address: str, asked: Callable[[Payload], HttpRequest]) -> Load:
    """Over kept connections; the first answer is looked at before the load begins."""

    def load(payload: Payload, callers: int, seconds: float) -> Seen:
        request = asked(payload)
        _check(address, request)
        return http_load(address, request, callers, seconds)

    return load


def _check(address: str, request: HttpRequest) -> None:
    connection = http.client.HTTPConnection(address, timeout=ANSWER_SECONDS)
    try:
        connection.request("POST", request.path, request.body, {"content-type": request.media_type})
        answer = connection.getresponse()
        said = answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise LoadFailed(f"{request.path}: answered {answer.status}, {said[:300]!r}")
