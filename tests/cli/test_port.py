from __future__ import annotations

import os
import socket

import pytest

from mlmesh.cli.mesh import MeshError
from mlmesh.cli.port import Port, holder_of, require_free
from tests.ports import free_ports


def port(number: int, host: str = "127.0.0.1") -> Port:
    return Port(host, number, "predictor, gRPC", "`port` in mesh.toml")


def test_a_free_port_passes() -> None:
    require_free([port(free_ports(1)[0])])


@pytest.mark.parametrize("listens", ["127.0.0.1", "0.0.0.0"])
def test_every_taken_port_is_named(listens: str) -> None:
    with socket.create_server((listens, 0)) as one, socket.create_server((listens, 0)) as two:
        numbers = [one.getsockname()[1], two.getsockname()[1]]
        with pytest.raises(MeshError) as refusal:
            require_free(port(number) for number in numbers)

    for number, line in zip(numbers, str(refusal.value).splitlines(), strict=True):
        assert line.startswith(f"port {number} (predictor, gRPC) is in use by process")
        assert line.endswith("choose another with `port` in mesh.toml")


def test_an_address_that_is_not_ours_is_said_so() -> None:
    with pytest.raises(MeshError, match=r"not available on 192\.0\.2\.1"):
        require_free([port(50051, host="192.0.2.1")])


def test_the_holder_of_a_port_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        holder = holder_of(server.getsockname()[1])

    assert holder
    assert holder.startswith(f"process {os.getpid()} (")


def test_a_port_that_nobody_holds_has_no_holder() -> None:
    assert holder_of(free_ports(1)[0]) is None
