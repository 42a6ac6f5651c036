"""What callers of the protocol are told where its codes differ from ours."""

from __future__ import annotations

import grpc

from mlmesh.runtime.errors import Overloaded, ServingError


class Busy(Overloaded):
    """A queue is full, which is UNAVAILABLE here; try again after `retry_after` seconds."""

    code = grpc.StatusCode.UNAVAILABLE

    def __init__(self, overloaded: Overloaded) -> None:
        super().__init__(overloaded.message)
        self.retry_after = overloaded.retry_after


def refusal_of(error: ServingError) -> ServingError:
    """The same failure in the protocol's terms."""
    return Busy(error) if isinstance(error, Overloaded) else error
