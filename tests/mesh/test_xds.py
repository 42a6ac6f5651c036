"""A gateway with an `xds:///` target does what a control plane says; no caller sees an error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import pytest

from tests.mesh.fleet import Fleet, Gateway, Load, Replica, versions_of, wait_for_answers
from tests.mesh.routing import HEADER, Routing, running_control_plane
from tests.ports import free_ports

REQUESTS = 400
OLD = {"v1.0", "v1.1"}


@dataclass(frozen=True, slots=True)
class Mesh:
    plane: Routing
    gateway: Gateway
    old: tuple[Replica, Replica]
    new: Replica

    def route(self, old: int, new: int) -> None:
        """Weights of the old replicas and the new one."""
        self.plane.route(
            {"old": old, "new": new},
            {"old": [one.address for one in self.old], "new": [self.new.address]},
        )


@pytest.fixture(scope="module")
def new_mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Mesh]]:
    """Two old replicas with 90 % of the calls and a new one with 10 %, told apart by versions."""
    fleet = Fleet(tmp_path_factory.mktemp("xds"))
    addresses = [f"127.0.0.1:{port}" for port in free_ports(3)]
    versions = dict(zip(addresses, (*sorted(OLD), "v2.0"), strict=True))
    with running_control_plane() as plane, fleet.standing(versions) as replicas:
        replicas()
        plane.route({"old": 90, "new": 10}, {"old": addresses[:2], "new": addresses[2:]})
        more = plane.environment | {"MLMESH_ROUTING_HEADERS": f'["{HEADER}"]'}
        with fleet.gateway("xds:///predictor", more) as gateway:

            def mesh() -> Mesh:
                first, second, third = replicas()
                mesh = Mesh(plane, gateway, (first, second), third)
                mesh.route(90, 10)
                wait_for_answers(gateway, {*OLD, "v2.0"})
                return mesh

            yield mesh


@pytest.fixture
def mesh(new_mesh: Callable[[], Mesh]) -> Mesh:
    """As at the beginning, whatever other tests have done to it."""
    return new_mesh()


def test_versions_answer_by_their_weights_and_by_header(mesh: Mesh) -> None:
    by_weight = versions_of(mesh.gateway, REQUESTS)
    by_header = versions_of(mesh.gateway, 40, **{HEADER: "new"})

    # 40 are expected; fewer than 10 or more than 90 come once in a million runs.
    assert 10 < by_weight["v2.0"] < 90
    assert by_weight.keys() == {*OLD, "v2.0"}
    assert by_header == {"v2.0": 40}


def test_a_replica_that_is_killed_fails_no_request(mesh: Mesh) -> None:
    with Load(mesh.gateway) as load:
        load.until(lambda: load.versions["v1.0"] > 100, "no answers")
        mesh.old[0].kill()
        before = load.versions["v1.1"]
        load.until(lambda: load.versions["v1.1"] > before + 300, "no answers after the kill")

    assert set(load.statuses) == {200}
    assert "v1.0" not in load.last


def test_what_changes_under_load_fails_no_request(mesh: Mesh) -> None:
    with Load(mesh.gateway) as load:
        load.until(lambda: len(load.last) > 100, "no answers")
        for old, new, versions in ((0, 100, {"v2.0"}), (100, 0, OLD), (0, 100, {"v2.0"})):
            mesh.route(old, new)
            load.last = []
            load.until(partial(_all_of, load, versions), f"{versions} do not get all calls")
        mesh.route(50, 50)
        load.until(lambda: set(load.last[-50:]) == {*OLD, "v2.0"}, "all should answer")

    assert set(load.statuses) == {200}


def _all_of(load: Load, versions: set[str]) -> bool:
    return len(load.last) > 50 and set(load.last[-50:]) == versions
