"""What is under way through the gateway, whichever way it takes."""

from __future__ import annotations

from dataclasses import dataclass

from mlmesh.runtime.admission import Budget, Gauge


@dataclass(frozen=True, slots=True)
class Door:
    requests: Gauge
    bodies: Budget
    """Of all requests, as long as they are under way."""


def open_door(requests: int, body_bytes: int) -> Door:
    return Door(Gauge(requests, "requests"), Budget(body_bytes))
