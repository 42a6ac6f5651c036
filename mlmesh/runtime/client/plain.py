"""Channels of gRPC's own: retries, deadlines, keepalive and balancing as the contracts allow."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import grpc

from mlmesh.runtime.client.tls import Tls
from mlmesh.runtime.contracts import Method

MAX_MESSAGE_BYTES = 64 * 2**20
Options = list[tuple[str, Any]]


def open_channel(target: str, methods: Iterable[Method] = ()) -> grpc.aio.Channel:
    """A channel to `target` (host:port, `dns:///` or any other that gRPC knows).

    Calls of those `methods` that can be repeated are tried again when the service is not there.
    """
    return grpc.aio.insecure_channel(target, options=channel_options(methods))


def open_aio(target: str, tls: Tls | None, options: Options) -> grpc.aio.Channel:
    if tls is None:
        return grpc.aio.insecure_channel(target, options)
    return grpc.aio.secure_channel(target, tls.credentials(), options)


def open_sync(target: str, tls: Tls | None, options: Options) -> grpc.Channel:
    if tls is None:
        return grpc.insecure_channel(target, options)
    return grpc.secure_channel(target, tls.credentials(), options)


def channel_options(methods: Iterable[Method], *, deadlines: bool = False) -> Options:
    """deadlines: whether calls get those of their contracts."""
    return [
        ("grpc.service_config", json.dumps(_service_config(methods, deadlines))),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        # Without a timeout for the ping's answer, a frozen peer holds its calls for a minute.
        ("grpc.keepalive_time_ms", 10_000),
        ("grpc.keepalive_timeout_ms", 3_000),
        ("grpc.http2.ping_timeout_ms", 3_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        # A service that comes back is found within a second, not after minutes of back-off.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 1_000),
        ("grpc.max_reconnect_backoff_ms", 1_000),
    ]


def _service_config(methods: Iterable[Method], deadlines: bool) -> dict[str, Any]:
    entries = [_method_config(method, deadlines) for method in methods]
    return {
        "loadBalancingConfig": [{"round_robin": {}}],
        "retryThrottling": {"maxTokens": 100, "tokenRatio": 0.1},
        "methodConfig": [entry for entry in entries if len(entry) > 1],
    }


def _method_config(method: Method, deadlines: bool) -> dict[str, Any]:
    config: dict[str, Any] = {"name": [{"service": method.service, "method": method.name}]}
    if method.repeatable and method.unary:
        config["retryPolicy"] = _RETRIES
    if deadlines:
        config["timeout"] = f"{method.timeout:.3f}s"
    return config


_RETRIES = {
    "maxAttempts": 4,
    "initialBackoff": "0.05s",
    "maxBackoff": "0.5s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}
