"""How much one server takes on at once; what is beyond is refused at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from mlmesh.runtime.errors import Overloaded


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one server takes on at once."""

    calls: int = 4096
    """Unary calls, plain and carried."""
    request_bytes: int = 2**30
    """Requests of unary calls, together."""
    streams: int = 256
    """Streaming calls."""


@dataclass(slots=True)
class Gauge:
    """Counts what is under way against a limit."""

    limit: int
    what: str
    count: int = 0

    def __enter__(self) -> Self:
        if self.count >= self.limit:
            raise Overloaded(f"{self.what}: {self.limit} are under way already, try again later")
        self.count += 1
        return self

    def __exit__(self, *_: object) -> None:
        self.count -= 1


class Budget:
    """Sums up the bytes of the requests under way; one alone may be larger than the limit."""

    __slots__ = ("limit", "used")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0


class Share:
    """What one request takes of the budget. A class, because it stands around every call."""

    __slots__ = ("_asked", "_budget", "_size")

    def __init__(self, budget: Budget, size: int = 0) -> None:
        self._budget = budget
        self._asked = size
        self._size = 0

    def __enter__(self) -> Self:
        self.grow(self._asked)
        return self

    def grow(self, size: int) -> None:
        """Take so much more. Raises Overloaded."""
        budget = self._budget
        if budget.used > self._size and budget.used + size > budget.limit:
            raise Overloaded(
                f"calls: requests of {budget.used} bytes are under way already, try again later"
            )
        budget.used += size
        self._size += size

    def shrink(self, size: int) -> None:
        """Give so much of it back."""
        self._budget.used -= size
        self._size -= size

    def __exit__(self, *_: object) -> None:
        self._budget.used -= self._size
