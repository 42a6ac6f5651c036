"""The addresses of a name, asked for from a thread of its own."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterable

from mlmesh.runtime.coalescing.target import Named

RESOLVE_SECONDS = 5.0
"""For one answer; a resolver that hangs keeps what is known."""


async def addresses_of(name: Named) -> tuple[str, ...]:
    """Addresses with ports, sorted. Raises OSError or TimeoutError when there is no answer."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[tuple[str, ...]] = loop.create_future()

    def look() -> None:
        try:
            addresses = _looked_up(name)
        except OSError as error:
            _tell(loop, found, found.set_exception, error)
        else:
            _tell(loop, found, found.set_result, addresses)

    # A daemon, not the loop's pool: a program that ends does not wait for a name server.
    threading.Thread(target=look, name="resolver", daemon=True).start()
    async with asyncio.timeout(RESOLVE_SECONDS):
        return await found


def _tell(
    loop: asyncio.AbstractEventLoop,
    found: asyncio.Future[tuple[str, ...]],
    put: Callable[..., None],
    value: object,
) -> None:
    def tell() -> None:
        if not found.done():
            put(value)

    if not loop.is_closed():
        loop.call_soon_threadsafe(tell)


def _looked_up(name: Named) -> tuple[str, ...]:
    hosts = _hosts_of(name.host) if name.server is None else _asked(name.host, *name.server)
    return tuple(sorted({_address(host, name.port) for host in hosts}))


def _hosts_of(host: str) -> Iterable[str]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return (str(entry[4][0]) for entry in found)


def _asked(host: str, server: str, port: int) -> Iterable[str]:
    # Few name a server of their own; the others need not have the package.
    import dns.exception
    import dns.resolver

    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = list(_hosts_of(server))
    resolver.port = port
    resolver.lifetime = RESOLVE_SECONDS
    try:
        return list(resolver.resolve_name(host, search=False).addresses())
    except dns.exception.DNSException as error:
        raise OSError(str(error)) from None


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
