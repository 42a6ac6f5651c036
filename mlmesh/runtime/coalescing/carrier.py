"""Carries the calls to one target, whatever kind of target it is."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

import grpc

from mlmesh.runtime.call import Call
from mlmesh.runtime.client.plain import open_channel
from mlmesh.runtime.coalescing.options import Coalescing
from mlmesh.runtime.coalescing.pending import PendingCall
from mlmesh.runtime.coalescing.pool import OpenChannel, Pool
from mlmesh.runtime.coalescing.routed import RoutedCalls
from mlmesh.runtime.coalescing.tally import Tally, Untold
from mlmesh.runtime.coalescing.target import Routed, target_of
from mlmesh.runtime.contracts import Method

UNTOLD = Untold()


class Carrier(Protocol):
    """Calls to one target."""

    def begin(self, method: Method, request: bytes, call: Call) -> PendingCall:
        """Call a unary method; failures are ServingErrors, here or in what is awaited."""

    def lent_channel(
        self, method: Method, call: Call
    ) -> AbstractAsyncContextManager[grpc.aio.Channel]:
        """A channel for the length of a stream. Raises Unavailable when there is nobody."""


def open_carrier(
    target: str,
    options: Coalescing,
    open_to: OpenChannel = open_channel,
    tally: Tally = UNTOLD,
) -> AbstractAsyncContextManager[Carrier]:
    """open_to: makes the channel to an address. Raises ValueError when `target` is none."""
    found = target_of(target)
    if isinstance(found, Routed):
        return RoutedCalls(found, options, open_to, tally)
    return Pool(found, options, open_to, tally)
