"""How calls are carried, and the bounds of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import grpc

from mlmesh.runtime.contracts import Method
from mlmesh.runtime.errors import ServingError
from mlmesh.runtime.failure import failure_of

FailureOf = Callable[[Method, grpc.aio.AioRpcError], ServingError]


@dataclass(frozen=True, slots=True)
class Coalescing:
    """How calls to one target are carried."""

    enabled: bool = True
    """Whether calls share messages; else each is a gRPC call of its own."""
    apart: frozenset[str] = frozenset()
    """gRPC paths of methods whose calls never share one."""
    message_calls: int = 32
    """The most calls of one message. With more, the two ends of the stream take turns where they
    could work side by side."""
    message_bytes: int = 256 * 2**10
    """The most bytes of one message; more calls wait for the next."""
    large_bytes: int = 64 * 2**10
    """From here on, a request goes as a call of its own beside the stream, to hold nobody up."""
    messages: int = 2
    """Messages that one replica may have been sent and not yet read."""
    carried: int = 2048
    """Calls that one replica may be answering at once; the next ones wait here."""
    waiting: int = 16_384
    """Calls that may be under way to one target; the next ones are refused at once."""
    patience_seconds: float = 0.5
    """How long a target may be without any replica before its calls fail."""
    silence_seconds: float = 2.0
    """How long a replica with calls may say nothing before others get them."""
    stream_seconds: float = 3600.0
    """After which a stream gets a successor: servers bound how long one may live."""
    resolve_seconds: float = 30.0
    """Between two looks at the addresses of a `dns:///` target."""
    early_calls: int = 8
    """Past gRPC, half of the calls that were under way lately, and at least so many, leave before
    others have joined them when the replica has no more than that to do: the two ends then work
    side by side. 0: never."""
    folder: str = ""
    """Where services on this machine take carried calls past gRPC; empty: none do."""
    attempts: int = 4
    """How often a call that can be repeated is sent at most."""
    retry_tokens: int = 4096
    """Calls that may be sent again in a row; ten answers earn one more."""
    failure: FailureOf = failure_of
    """What the caller is told when a call that went on its own has failed."""
