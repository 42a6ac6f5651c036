"""What `mlmesh up` will start: each program with its environment, its ports and its probe."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mlmesh.cli.mesh import GATEWAY, Gateway, Mesh, MeshError, Service
from mlmesh.cli.port import Port
from mlmesh.cli.probe import GrpcProbe, HttpProbe, Probe

WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


@dataclass(frozen=True, slots=True)
class Program:
    """One program to start by `python -m`."""

    name: str
    environment: Mapping[str, str]
    defaults: Mapping[str, str]
    """Settings that the user's environment may override."""
    probe: Probe
    serving: Port
    health: Port
    metrics: Port
    contract: str | None
    """Full name of the gRPC service; None for the gateway."""

    @property
    def ports(self) -> tuple[Port, ...]:
        # The gateway's probes and metrics share one port.
        return tuple(dict.fromkeys((self.serving, self.health, self.metrics)))


@dataclass(frozen=True, slots=True)
class Plan:
    root: Path
    """The folder that the programs run in."""
    services: tuple[Program, ...]
    gateway: Program | None
    absent: tuple[str, ...]
    """Programs that mesh.toml names and that have no package in `root`."""

    @property
    def programs(self) -> tuple[Program, ...]:
        return (*self.services, self.gateway) if self.gateway else self.services

    def carrying_in(self, folder: str) -> Plan:
        """The same; its programs carry calls by way of sockets in `folder`."""

        def carrying(program: Program) -> Program:
            return replace(program, defaults={**program.defaults, "MLMESH_CARRY_FOLDER": folder})

        return replace(
            self,
            services=tuple(map(carrying, self.services)),
            gateway=self.gateway and carrying(self.gateway),
        )


def plan_of(mesh: Mesh, host: str, only: Collection[str], http_port: int | None) -> Plan:
    """Choose what to start; raises MeshError when that is nothing, or two want one port."""
    known = [service.name for service in mesh.services] + [GATEWAY]
    if strange := sorted(set(only) - set(known)):
        raise MeshError(f"--only: unknown {', '.join(strange)}, expected {', '.join(known)}")
    wanted = [name for name in known if name in (only or known)]
    absent = tuple(name for name in wanted if not (mesh.root / name / "__main__.py").is_file())
    present = set(wanted) - set(absent)
    services = [service for service in mesh.services if service.name in present]
    front = replace(mesh.gateway, http_port=http_port) if http_port else mesh.gateway
    plan = Plan(
        root=mesh.root,
        services=tuple(_model_service(service, host) for service in services),
        gateway=_gateway(front, host, services) if GATEWAY in present else None,
        absent=absent,
    )
    if not plan.programs:
        raise MeshError(f"nothing to start: {mesh.root} holds no {', '.join(wanted)}")
    _require_distinct_ports(plan)
    return plan


def reachable(host: str) -> str:
    """The host to connect to for a server that listens on `host`."""
    return WILDCARDS.get(host, host)


def address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _model_service(service: Service, host: str) -> Program:
    def port(use: str, number: int, key: str) -> Port:
        remedy = f"`{key}` of {service.name} in mesh.toml"
        return Port(host, number, f"{service.name}, {use}", remedy)

    return Program(
        name=service.name,
        environment={
            "MLMESH_GRPC_ADDRESS": address(host, service.port),
            "MLMESH_HEALTH_ADDRESS": address(host, service.health_port),
            "MLMESH_METRICS_ADDRESS": address(host, service.metrics_port),
        },
        # It is stopped once the gateway is gone, and then nobody is left to notice that it leaves.
        defaults={"MLMESH_LAME_DUCK_SECONDS": "0"},
        probe=GrpcProbe(address(reachable(host), service.health_port)),
        serving=port("gRPC", service.port, "port"),
        health=port("health", service.health_port, "health_port"),
        metrics=port("metrics", service.metrics_port, "metrics_port"),
        contract=service.contract,
    )


def _gateway(gateway: Gateway, host: str, services: Collection[Service]) -> Program:
    near = reachable(host)
    backends = {service.contract: address(near, service.port) for service in services}
    remedy = "`[gateway] ops_port` in mesh.toml"
    ops = Port(host, gateway.ops_port, "gateway, probes and metrics", remedy)
    remedy = "--http-port, or `[gateway] http_port` in mesh.toml"
    return Program(
        name=GATEWAY,
        environment={
            "MLMESH_HTTP_ADDRESS": address(host, gateway.http_port),
            "MLMESH_OPS_ADDRESS": address(host, gateway.ops_port),
            "MLMESH_BACKENDS": json.dumps(backends),
        },
        defaults={},
        probe=HttpProbe(near, gateway.http_port),
        serving=Port(host, gateway.http_port, "gateway, HTTP", remedy),
        health=ops,
        metrics=ops,
        contract=None,
    )


def _require_distinct_ports(plan: Plan) -> None:
    taken: dict[int, Port] = {}
    for port in (port for program in plan.programs for port in program.ports):
        other = taken.setdefault(port.number, port)
        if other is not port:
            raise MeshError(
                f"port {port.number} is asked for twice ({other.use}; {port.use}); "
                f"choose another with {port.remedy}"
            )
