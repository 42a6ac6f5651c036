"""A real Envoy with its transcoder, told what our gateway is told."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.peers.envoy import transcoding

START_SECONDS = 60
STRICTNESS = {
    # What google/api/http.proto says of variables with several segments.
    "url_unescape_spec": "ALL_CHARACTERS_EXCEPT_SLASH",
    "query_param_unescape_plus": True,
    "request_validation_options": {
        "reject_unknown_method": True,
        "reject_unknown_query_parameters": True,
        "reject_binding_body_field_collisions": True,
    },
}


@contextmanager
def running_envoy(binary: Path, descriptors: Path, backend: int, folder: Path) -> Iterator[int]:
    """Transcodes for the Echo service at a port; gives the port that it listens on itself."""
    config = folder / "envoy.json"
    free, behind = "127.0.0.1:0", f"127.0.0.1:{backend}"
    config.write_text(
        json.dumps(transcoding(free, free, behind, descriptors, "transcoding.v1.Echo", STRICTNESS))
    )
    admin = folder / "admin"
    with (folder / "envoy.log").open("wb") as log:
        process = subprocess.Popen(
            [
                str(binary), "--config-path", str(config), "--admin-address-path", str(admin),
                "--use-dynamic-base-id", "--concurrency", "1", "--log-level", "warning",
            ],
            stdout=log,
            stderr=log,
        )  # fmt: skip
    try:
        yield _port(process, admin, folder / "envoy.log")
    finally:
        process.terminate()
        process.wait(START_SECONDS)


def _port(process: subprocess.Popen[bytes], admin: Path, log: Path) -> int:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if admin.exists() and (address := admin.read_text()):
            with urllib.request.urlopen(f"http://{address}/listeners?format=json") as answer:
                listeners = json.load(answer).get("listener_statuses", [])
            if listeners:
                port: int = listeners[0]["local_address"]["socket_address"]["port_value"]
                return port
        time.sleep(0.05)
    raise AssertionError(f"Envoy did not start:\n{log.read_text()}")
