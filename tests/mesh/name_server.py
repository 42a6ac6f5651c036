"""A small DNS server whose one name has the addresses that a test gives it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from dnslib import QTYPE, RCODE, RR, A
from dnslib.server import BaseResolver, DNSLogger, DNSServer

LIVE_SECONDS = 1


class Names(BaseResolver):  # type: ignore[misc]
    """name: what it knows; everything else does not exist."""

    def __init__(self, name: str) -> None:
        self._name = f"{name}."
        self.addresses: Sequence[str] = ()
        self.asked = 0

    def resolve(self, request: Any, handler: Any) -> Any:
        reply = request.reply()
        self.asked += 1
        if str(request.q.qname).lower() != self._name or not self.addresses:
            reply.header.rcode = RCODE.NXDOMAIN
        elif request.q.qtype in (QTYPE.A, QTYPE.ANY):
            for address in self.addresses:
                reply.add_answer(RR(self._name, QTYPE.A, rdata=A(address), ttl=LIVE_SECONDS))
        return reply


@contextmanager
def running_name_server(name: str) -> Iterator[tuple[Names, str]]:
    """The names, and host:port of the server."""
    names = Names(name)
    server = DNSServer(names, address="127.0.0.1", port=0, logger=DNSLogger(log="-request,-reply"))
    server.start_thread()
    try:
        yield names, f"127.0.0.1:{server.server.server_address[1]}"
    finally:
        server.stop()
        server.server.server_close()
