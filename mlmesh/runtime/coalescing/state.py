"""Where a replica is in its life, and who wants to know."""

from __future__ import annotations

from enum import Enum, auto
from typing import Protocol

from mlmesh.runtime.coalescing.pending import PendingCall


class State(Enum):
    CONNECTING = auto()
    CARRYING = auto()
    PLAIN = auto()
    """It does not know Carry: every call is one of its own."""
    LEAVING = auto()


class Keeper(Protocol):
    """Whose replica it is."""

    def sent(self, calls: int) -> None:
        """A message left with so many calls."""

    def changed(self) -> None:
        """It takes calls now, or takes none any more."""

    def lost(self, calls: list[PendingCall], *, begun: bool) -> None:
        """Calls that it will not answer; begun: whether it may have begun them."""
