"""Where programs of one machine meet to carry calls past gRPC."""

from __future__ import annotations

from pathlib import Path

LOOPBACK = ("127.0.0.1", "[::1]", "localhost")


def socket_path(folder: str, port: int) -> Path:
    """Where the service on this port listens."""
    return Path(folder).absolute() / f"{port}.carry"


def neighbour(folder: str, address: str) -> Path | None:
    """Where the service at this address would listen, if it is on this machine."""
    host, _, port = address.rpartition(":")
    if not folder or host not in LOOPBACK or not port.isdigit():
        return None
    return socket_path(folder, int(port))
