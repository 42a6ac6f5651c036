"""Starts the control plane, and tells it where calls shall go."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("control_plane.py")
CONTRACTS = Path(sys.prefix) / "xds"
"""Where `make test` puts the contracts of xDS."""
HEADER = "x-mlmesh-track"
"""The header whose value names the version that shall answer."""


class Routing:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.port = int(self._line())

    @property
    def environment(self) -> dict[str, str]:
        """For programs that shall ask this control plane."""
        server = {
            "server_uri": f"127.0.0.1:{self.port}",
            "channel_creds": [{"type": "insecure"}],
            "server_features": ["xds_v3"],
        }
        node = {"id": "gateway", "locality": {"zone": "here"}}
        return {"GRPC_XDS_BOOTSTRAP_CONFIG": json.dumps({"xds_servers": [server], "node": node})}

    def route(self, weights: Mapping[str, int], endpoints: Mapping[str, Sequence[str]]) -> None:
        """From now on: versions with their weights, and versions with their addresses."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"weights": weights, "endpoints": endpoints}) + "\n")
        self._process.stdin.flush()
        assert self._line() == "routed"

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@contextmanager
def running_control_plane() -> Iterator[Routing]:
    """No client may have refused what it was sent when the block ends."""
    if not CONTRACTS.is_dir():
        reason = f"no contracts of xDS in {CONTRACTS.name}, see `make test`"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(CONTRACTS)},
    )
    try:
        yield Routing(process)
    finally:
        try:
            _, errors = process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            _, errors = process.communicate()
    assert "refused" not in errors
