"""Which backends answer the gateway, in Prometheus' terms."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry

from gateway.directory import Directory
from mlmesh.runtime.instruments import Meters, Reading


def show_reachability(registry: CollectorRegistry, directory: Directory) -> None:
    """Show what the directory found when it looked last."""

    def readings() -> Iterator[Reading]:
        for entry in directory.entries:
            for service in entry.backend.services:
                yield (service,), float(not entry.problem)

    Meters(
        registry,
        "mesh_backend_up",
        "1 for every service that answered the gateway when it asked last, else 0.",
        ("service",),
        readings,
    )
