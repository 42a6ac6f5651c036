"""A gateway with a `dns:///` target balances between addresses, as they come and go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.mesh.fleet import Fleet, Gateway, Load, Replica, versions_of, wait_for_answers
from tests.mesh.name_server import Names, running_name_server
from tests.ports import free_ports

NAME = "mesh.test"


@dataclass(frozen=True, slots=True)
class Mesh:
    names: Names
    gateway: Gateway
    replicas: list[Replica]


@pytest.fixture(scope="module")
def new_mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Mesh]]:
    """Three replicas on one port of three addresses; the name has the first two."""
    fleet = Fleet(tmp_path_factory.mktemp("names"))
    [port] = free_ports(1)
    versions = {"127.0.0.2": "v1.0", "127.0.0.3": "v2.0", "127.0.0.4": "v3.0"}
    target = f"{NAME}:{port}"
    with (
        running_name_server(NAME) as (names, server),
        fleet.standing({f"{host}:{port}": one for host, one in versions.items()}) as replicas,
    ):
        names.addresses = list(versions)[:2]
        replicas()
        more = {"MLMESH_RESOLVE_SECONDS": "0.3"}
        with fleet.gateway(f"dns://{server}/{target}", more) as gateway:

            def mesh() -> Mesh:
                all_of_them = replicas()
                names.addresses = list(versions)
                wait_for_answers(gateway, set(versions.values()))
                names.addresses = list(versions)[:2]
                wait_for_answers(gateway, {"v1.0", "v2.0"})
                return Mesh(names, gateway, all_of_them)

            yield mesh


@pytest.fixture
def mesh(new_mesh: Callable[[], Mesh]) -> Mesh:
    """As at the beginning, whatever other tests have done to it."""
    return new_mesh()


def test_every_address_of_the_name_gets_its_share(mesh: Mesh) -> None:
    with Load(mesh.gateway) as load:
        load.until(lambda: sum(load.versions.values()) > 400, "no answers")

    assert set(load.statuses) == {200}
    assert set(load.versions) == {"v1.0", "v2.0"}
    assert min(load.versions.values()) > 0.2 * max(load.versions.values())


def test_an_address_that_comes_is_used_and_one_that_goes_is_left_in_peace(mesh: Mesh) -> None:
    with Load(mesh.gateway) as load:
        load.until(lambda: len(load.last) > 50, "no answers")
        mesh.names.addresses = ["127.0.0.2", "127.0.0.3", "127.0.0.4"]
        load.until(lambda: load.versions["v3.0"] > 20, "the new address gets nothing")
        mesh.names.addresses = ["127.0.0.3", "127.0.0.4"]
        load.until(
            lambda: len(load.last) > 100 and "v1.0" not in load.last[-100:],
            "the old address still gets calls",
        )
        mesh.replicas[0].leave()
        load.last = []
        load.until(lambda: len(load.last) > 100, "no answers without it")

    assert set(load.statuses) == {200}


def test_replicas_that_are_killed_or_leave_fail_no_request(mesh: Mesh) -> None:
    with Load(mesh.gateway) as load:
        load.until(lambda: len(load.last) > 50, "no answers")
        mesh.names.addresses = ["127.0.0.2", "127.0.0.3", "127.0.0.4"]
        load.until(lambda: load.versions["v3.0"] > 20, "the new address gets nothing")
        mesh.replicas[0].kill()
        load.last = []
        load.until(lambda: len(load.last) > 100, "no answers after the kill")
        mesh.replicas[1].leave()
        load.last = []
        load.until(lambda: len(load.last) > 100, "no answers after one left")

    assert set(load.statuses) == {200}


def test_a_name_server_that_is_gone_changes_nothing(mesh: Mesh) -> None:
    versions_of(mesh.gateway, 5)
    mesh.names.addresses = []
    asked = mesh.names.asked

    with Load(mesh.gateway) as load:
        load.until(lambda: mesh.names.asked > asked + 1, "the name is not asked for again")
        load.until(lambda: sum(load.versions.values()) > 100, "no answers")

    assert set(load.statuses) == {200}
