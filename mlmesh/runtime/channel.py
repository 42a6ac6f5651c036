"""Channels to the services of a mesh: retries, keepalive and balancing as the contracts allow."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import grpc

from mlmesh.runtime.contracts import Method

MAX_MESSAGE_BYTES = 64 * 2**20


def open_channel(target: str, methods: Iterable[Method] = ()) -> grpc.aio.Channel:
    """A channel to `target` (host:port, `dns:///` or any other that gRPC knows).

    Calls of those `methods` that can be repeated are tried again when the service is not there.
    """
    return grpc.aio.insecure_channel(target, options=_options(methods))


def _options(methods: Iterable[Method]) -> list[tuple[str, Any]]:
    return [
        ("grpc.service_config", json.dumps(_service_config(methods))),
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


def _service_config(methods: Iterable[Method]) -> dict[str, Any]:
    config: dict[str, Any] = {
        "loadBalancingConfig": [{"round_robin": {}}],
        "retryThrottling": {"maxTokens": 100, "tokenRatio": 0.1},
    }
    repeatable = [
        {"service": method.service, "method": method.name}
        for method in methods
        if method.repeatable and method.unary
    ]
    if repeatable:
        config["methodConfig"] = [
            {
                "name": repeatable,
                "retryPolicy": {
                    "maxAttempts": 4,
                    "initialBackoff": "0.05s",
                    "maxBackoff": "0.5s",
                    "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ]
    return config
