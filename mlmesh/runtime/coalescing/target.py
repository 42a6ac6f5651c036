"""Where a target's replicas are, as the target says it."""

from __future__ import annotations

import re
from dataclasses import dataclass

_DNS = re.compile(r"dns:(?://(?P<server>[^/]*)/)?(?P<name>[^/]+)")
_PORT = re.compile(r"(?P<host>.+):(?P<port>\d{1,5})")
DEFAULT_PORT = 443
DNS_PORT = 53


@dataclass(frozen=True, slots=True)
class Static:
    """Addresses that never change; gRPC makes a connection of each."""

    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Named:
    """A name whose addresses are looked up again and again."""

    host: str
    port: int
    server: tuple[str, int] | None = None
    """The name server to ask; None asks as the system does."""


@dataclass(frozen=True, slots=True)
class Routed:
    """Who answers is decided for every message by what gRPC is told, as with `xds:///`."""

    target: str


Target = Static | Named | Routed


def target_of(text: str) -> Target:
    """Raises ValueError when `text` is no target."""
    if text.startswith("xds:"):
        return Routed(text)
    if text.startswith("dns:"):
        return _named(text)
    if text.startswith(("unix:", "ipv4:", "ipv6:", "unix-abstract:", "vsock:")):
        return Static((text,))
    addresses = tuple(address.strip() for address in text.split(","))
    if not all(addresses):
        raise ValueError(f"{text!r}: expected host:port, several of them with commas between")
    return Static(addresses)


def _named(text: str) -> Named:
    matched = _DNS.fullmatch(text)
    if matched is None:
        raise ValueError(f"{text!r}: expected dns:///name:port or dns://server:port/name:port")
    server = _host_and_port(matched["server"], DNS_PORT) if matched["server"] else None
    return Named(*_host_and_port(matched["name"], DEFAULT_PORT), server)


def _host_and_port(text: str, default: int) -> tuple[str, int]:
    matched = _PORT.fullmatch(text)
    if matched is None or (":" in matched["host"] and not matched["host"].startswith("[")):
        return text.strip("[]"), default
    return matched["host"].strip("[]"), int(matched["port"])
