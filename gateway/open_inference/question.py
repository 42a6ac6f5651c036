"""One request of the protocol, as every part that answers takes it, and its answers in JSON."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from gateway.open_inference.path import Target
from gateway.request import Request
from gateway.response import Response
from mlmesh.runtime.call import Call

_NOT_READY = 400


@dataclass(frozen=True, slots=True)
class Question:
    target: Target
    request: Request
    body: bytes
    """Unpacked."""
    call: Call

    @property
    def model(self) -> str:
        return self.target.model

    @property
    def version(self) -> str:
        return self.target.version


def json_response(value: object, status: int = 200) -> Response:
    return Response(status, orjson.dumps(value))


def readiness(ready: bool, value: object) -> Response:
    """The protocol's clients read the status alone."""
    return json_response(value, 200 if ready else _NOT_READY)
