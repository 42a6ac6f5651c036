"""A gateway with an `xds:///` target does what a control plane says; no caller sees an error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.mesh.fleet import Fleet, Gateway, Load, Replica, versions_of
from tests.mesh.routing import HEADER, Routing, running_control_plane
from tests.ports import free_ports

REQUESTS = 400


@dataclass(frozen=True, slots=True)
class Mesh:
    plane: Routing
    gateway: Gateway
    old: tuple[Replica, Replica]
    new: Replica

    def route(self, old: int, new: int) -> None:
        """Weights of the two versions, over the replicas as they were started."""
        self.plane.route(
            {"v1.0": old, "v2.0": new},
            {"v1.0": [one.address for one in self.old], "v2.0": [self.new.address]},
        )


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[Mesh]:
    """Two replicas of v1.0 with 90 % of the calls, one of v2.0 with 10 %."""
    fleet = Fleet(tmp_path)
    with ExitStack() as stack:
        plane = stack.enter_context(running_control_plane())
        first, second, third = (
            stack.enter_context(fleet.replica(version, f"127.0.0.1:{port}"))
            for version, port in zip(("v1.0", "v1.0", "v2.0"), free_ports(3), strict=True)
        )
        plane.route(
            {"v1.0": 90, "v2.0": 10},
            {"v1.0": [first.address, second.address], "v2.0": [third.address]},
        )
        more = plane.environment | {"MLMESH_ROUTING_HEADERS": f'["{HEADER}"]'}
        gateway = stack.enter_context(fleet.gateway("xds:///predictor", more))
        yield Mesh(plane, gateway, (first, second), third)


def test_versions_answer_by_their_weights_and_by_header(mesh: Mesh) -> None:
    by_weight = versions_of(mesh.gateway, REQUESTS)
    by_header = versions_of(mesh.gateway, 40, **{HEADER: "v2.0"})

    # 40 are expected; fewer than 10 or more than 90 come once in a million runs.
    assert 10 < by_weight["v2.0"] < 90
    assert by_weight["v1.0"] == REQUESTS - by_weight["v2.0"]
    assert by_header == {"v2.0": 40}


def test_a_replica_that_is_killed_fails_no_request(mesh: Mesh) -> None:
    with Load(mesh.gateway) as load:
        load.until(lambda: load.versions["v1.0"] > 100, "no answers")
        mesh.old[0].kill()
        before = load.versions["v1.0"]
        load.until(lambda: load.versions["v1.0"] > before + 300, "no answers after the kill")

    assert set(load.statuses) == {200}


def test_what_changes_under_load_fails_no_request(mesh: Mesh) -> None:
    with Load(mesh.gateway) as load:
        load.until(lambda: len(load.last) > 100, "no answers")
        for old, new, version in ((0, 100, "v2.0"), (100, 0, "v1.0"), (0, 100, "v2.0")):
            mesh.route(old, new)
            load.last = []
            load.until(partial(_all_of, load, version), f"{version} does not get all calls")
        mesh.route(50, 50)
        load.until(lambda: set(load.last[-50:]) == {"v1.0", "v2.0"}, "both should answer")

    assert set(load.statuses) == {200}


def _all_of(load: Load, version: str) -> bool:
    return len(load.last) > 50 and set(load.last[-50:]) == {version}
