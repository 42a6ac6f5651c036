"""The mesh as `mlmesh up` starts it: its programs, with only addresses and the processor chosen."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.comparison.program import Program, free_addresses

CONTRACTS = {
    "predictor": "mlmesh.v1.PredictorService",
    "nlp": "mlmesh.v1.NlpService",
    "vision": "mlmesh.v1.VisionService",
}


@dataclass(frozen=True, slots=True)
class Mesh:
    """Programs that are not started yet, and where they will answer."""

    services: Mapping[str, Program]
    gateway: Program
    grpc_addresses: Mapping[str, str]
    """By program."""
    http_address: str

    @property
    def programs(self) -> Sequence[Program]:
        """The gateway last: it is ready once the services have answered it."""
        return (*self.services.values(), self.gateway)


def planned_mesh(
    names: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
) -> Mesh:
    """names: of the services. folder: where they may write. environment: further settings."""
    shared = {
        "MLMESH_LOG_LEVEL": "error",
        "MLMESH_PROVIDER": "cpu",
        "MLMESH_LAME_DUCK_SECONDS": "0",
        "MLMESH_DRAIN_SECONDS": "1",
        "MLMESH_CARRY_FOLDER": str(folder),
        **(environment or {}),
    }
    http, ops = free_addresses(2)
    services, addresses = {}, {}
    for name in names:
        address, health, metrics = free_addresses(3)
        told = {
            "MLMESH_GRPC_ADDRESS": address,
            "MLMESH_HEALTH_ADDRESS": health,
            "MLMESH_METRICS_ADDRESS": metrics,
        }
        services[name] = Program(name, ("-m", name), {**shared, **told})
        addresses[name] = address
    backends = {CONTRACTS[name]: address for name, address in addresses.items()}
    told = {
        "MLMESH_HTTP_ADDRESS": http,
        "MLMESH_OPS_ADDRESS": ops,
        "MLMESH_BACKENDS": json.dumps(backends),
        "MLMESH_INPUT_LOG": str(folder / "inputs.jsonl"),
    }
    gateway = Program("gateway", ("-m", "gateway"), {**shared, **told}, f"{ops}/ready")
    return Mesh(services, gateway, addresses, http)
