"""Requests as they arrive: which call each is."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.request import Request, call_of
from mlmesh.runtime.call import CURRENT, Call
from mlmesh.runtime.tracing import Tracing


@dataclass(frozen=True, slots=True)
class Arrivals:
    routing_headers: tuple[str, ...] = ()
    """Headers that are sent on, for routes to match."""
    tracing: Tracing | None = None

    def call_of(self, request: Request, name: str) -> Call:
        """The call that the current task works for from now on. name: of its span, if it is traced.

        Its deadline is read later, for it may be malformed.
        """
        call = call_of(request, self.routing_headers)
        if self.tracing is not None:
            call = self.tracing.served(name, call)
        CURRENT.set(call)
        return call
