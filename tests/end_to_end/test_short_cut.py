"""`mlmesh up` lets its programs carry calls over Unix sockets."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.end_to_end.conftest import RunningMesh

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux' list of sockets")
CONNECTED = "03"


def test_the_gateway_is_connected_to_every_service_in_a_folder_of_this_user_alone(
    mesh: RunningMesh,
) -> None:
    names = {f"{port}.carry" for port in mesh.grpc_ports.values()}
    found = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]

    paths = {Path(line[-1]) for line in found if len(line) == 8 and line[5] == CONNECTED}

    here = {path for path in paths if path.name in names}
    assert {path.name for path in here} == names
    (folder,) = {path.parent for path in here}
    assert folder.stat().st_mode & 0o777 == 0o700
