"""Who wants to know how calls to one target are carried, to count it."""

from __future__ import annotations

from typing import Protocol


class Tally(Protocol):
    def sent(self, calls: int) -> None:
        """A message left with so many calls; one that shares none counts as a message of 1."""

    def repeated(self) -> None:
        """A call is sent once more."""


class Untold:
    """For those that count nothing."""

    def sent(self, calls: int) -> None:
        pass

    def repeated(self) -> None:
        pass
