"""What `mesh.toml` says: the programs of the mesh and the ports they listen on.

    [gateway]
    http_port = 8080

    [programs]
    predictor = { service = "mlmesh.v1.PredictorService", number = 1 }

A model service's ports follow from its number: gRPC 50050 + n, health 50060 + n, metrics 9100 + n.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GATEWAY = "gateway"
HTTP_PORT = 8080
OPS_PORT = 9100
GRPC_BASE = 50050
HEALTH_BASE = 50060
METRICS_BASE = 9100


class MeshError(Exception):
    """The mesh cannot start as configured; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Gateway:
    http_port: int = HTTP_PORT
    ops_port: int = OPS_PORT


@dataclass(frozen=True, slots=True)
class Service:
    """One model service."""

    name: str
    """The package that `python -m` runs."""
    contract: str
    """Full name of the gRPC service, for example "mlmesh.v1.PredictorService"."""
    port: int
    health_port: int
    metrics_port: int


@dataclass(frozen=True, slots=True)
class Mesh:
    """Everything that `mesh.toml` says."""

    file: Path
    gateway: Gateway
    services: tuple[Service, ...]

    @property
    def root(self) -> Path:
        """The folder that holds the programs."""
        return self.file.resolve().parent


def read_mesh(file: Path) -> Mesh:
    """Read `mesh.toml`; raises MeshError."""
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MeshError(
            f"{file}: no such file; run in the folder that holds mesh.toml, or pass --config"
        ) from None
    except (OSError, ValueError) as problem:
        raise MeshError(f"{file}: {problem}") from None
    table = _Table(str(file), content)
    table.allow("gateway", "programs")
    return Mesh(file, _gateway(table.table("gateway")), tuple(_services(table.table("programs"))))


def _gateway(table: _Table) -> Gateway:
    table.allow("http_port", "ops_port")
    return Gateway(table.port("http_port", HTTP_PORT), table.port("ops_port", OPS_PORT))


def _services(programs: _Table) -> Iterator[Service]:
    for name in programs.values:
        if not name.isidentifier() or name == GATEWAY:
            raise MeshError(f"{programs.where}.{name}: is not the name of a service's package")
        yield _service(name, programs.table(name))


def _service(name: str, table: _Table) -> Service:
    table.allow("service", "number", "port", "health_port", "metrics_port")
    number = table.integer("number", 1, 999)
    return Service(
        name=name,
        contract=table.text("service"),
        port=table.port("port", GRPC_BASE + number),
        health_port=table.port("health_port", HEALTH_BASE + number),
        metrics_port=table.port("metrics_port", METRICS_BASE + number),
    )


@dataclass(frozen=True, slots=True)
class _Table:
    """A TOML table that names the key to blame when a value is wrong."""

    where: str
    values: Mapping[str, Any]

    def allow(self, *keys: str) -> None:
        for key in self.values:
            if key not in keys:
                raise MeshError(f"{self.where}: unknown key {key}, expected {', '.join(keys)}")

    def table(self, key: str) -> _Table:
        value = self.values.get(key, {})
        # The file's own name ends in a suffix, so a key is set apart from it by a colon.
        where = f"{self.where}.{key}" if ": " in self.where else f"{self.where}: {key}"
        if not isinstance(value, dict):
            raise MeshError(f"{where}: expected a table")
        return _Table(where, value)

    def text(self, key: str) -> str:
        value = self.values.get(key)
        if not isinstance(value, str) or not value:
            raise MeshError(f"{self.where}.{key}: expected a text")
        return value

    def port(self, key: str, default: int) -> int:
        return self.integer(key, 1, 65535) if key in self.values else default

    def integer(self, key: str, least: int, most: int) -> int:
        value = self.values.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise MeshError(f"{self.where}.{key}: expected a number from {least} to {most}")
        return value
