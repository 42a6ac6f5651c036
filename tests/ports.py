"""Ports for programs that the tests start, which cannot be told to take port 0 and say which."""

from __future__ import annotations

import random
import socket
from contextlib import suppress

# Below those of outgoing connections, which would take one before the program does.
LOWEST, HIGHEST = 15_000, 31_999
_given: set[int] = set()
_random = random.Random()


def free_ports(count: int) -> list[int]:
    """Ports of the loopback address that nobody listens on; none is given twice."""
    return [_free_port() for _ in range(count)]


def _free_port() -> int:
    while True:
        port = _random.randint(LOWEST, HIGHEST)
        if port in _given:
            continue
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            _given.add(port)
            return port
