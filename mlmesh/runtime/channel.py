"""Channels to the services of a mesh: retries, deadlines, keepalive and balancing as the contracts
allow.

    with connect("localhost:50051") as channel:
        stub = predictor_pb2_grpc.PredictorServiceStub(channel)
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import grpc

from mlmesh.runtime.contracts import Method, load_contracts

MAX_MESSAGE_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Tls:
    """Whom to trust, and who one is. Files in PEM."""

    root_certificates: Path | None = None
    """None trusts whom the system trusts."""
    certificate: Path | None = None
    """The client's own chain, with `key`, for servers that ask for one."""
    key: Path | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """Raises OSError when a file cannot be read."""
        files = (self.root_certificates, self.key, self.certificate)
        roots, key, chain = (file.read_bytes() if file else None for file in files)
        return grpc.ssl_channel_credentials(roots, key, chain)


@dataclass(slots=True)
class Connection:
    """A channel for the length of a block: `with` for plain stubs, `async with` for asyncio's."""

    target: str
    tls: Tls | None
    methods: tuple[Method, ...]
    _sync: grpc.Channel | None = field(default=None, init=False)
    _async: grpc.aio.Channel | None = field(default=None, init=False)

    def __enter__(self) -> grpc.Channel:
        options = _options(self.methods, deadlines=True)
        if self.tls is None:
            self._sync = grpc.insecure_channel(self.target, options)
        else:
            self._sync = grpc.secure_channel(self.target, self.tls.credentials(), options)
        return self._sync

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._sync is not None:
            self._sync.close()

    async def __aenter__(self) -> grpc.aio.Channel:
        options = _options(self.methods, deadlines=True)
        if self.tls is None:
            self._async = grpc.aio.insecure_channel(self.target, options)
        else:
            credentials = self.tls.credentials()
            self._async = grpc.aio.secure_channel(self.target, credentials, options)
        return self._async

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._async is not None:
            await self._async.close()


def connect(target: str, *, tls: Tls | None = None, descriptors: Iterable[Path] = ()) -> Connection:
    """A connection to `target` (host:port, `dns:///` or any other that gRPC knows).

    Calls get the deadlines of their contracts unless their caller sets shorter ones, and those that
    can be repeated are tried again when the service is not there. descriptors: sets of further
    contracts than mlmesh's own. Without `tls` nothing is encrypted.
    """
    return Connection(target, tls, tuple(load_contracts(tuple(descriptors)).methods()))


def open_channel(target: str, methods: Iterable[Method] = ()) -> grpc.aio.Channel:
    """A channel to `target` (host:port, `dns:///` or any other that gRPC knows).

    Calls of those `methods` that can be repeated are tried again when the service is not there.
    """
    return grpc.aio.insecure_channel(target, options=_options(methods))


def _options(methods: Iterable[Method], *, deadlines: bool = False) -> list[tuple[str, Any]]:
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
