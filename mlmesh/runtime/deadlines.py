"""Ends calls at their deadlines, with one timer for all of them."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from contextvars import Context
from typing import Generic, TypeVar

TICK_SECONDS = 0.01
"""Calls whose deadlines lie in one tick end together, at its end."""

Member = TypeVar("Member")


class Deadlines(Generic[Member]):
    """end: called with every member that is still there when its deadline has passed."""

    def __init__(self, end: Callable[[Member], None]) -> None:
        self._end = end
        self._members: dict[int, set[Member]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._due = math.inf

    def add(self, member: Member, deadline: float) -> int:
        """The tick that `remove` needs. deadline: in seconds of time.monotonic(), finite."""
        tick = int(deadline / TICK_SECONDS) + 1
        members = self._members.get(tick)
        if members is None:
            self._members[tick] = {member}
            if tick < self._due:
                self._arm(tick)
        else:
            members.add(member)
        return tick

    def remove(self, member: Member, tick: int) -> None:
        members = self._members.get(tick)
        if members is not None:
            members.discard(member)
            if not members:
                del self._members[tick]

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._members.clear()

    def _arm(self, tick: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due = tick
        seconds = max(0.0, tick * TICK_SECONDS - time.monotonic())
        # In no call's context: the timer is everybody's.
        self._timer = asyncio.get_running_loop().call_later(seconds, self._fire, context=Context())

    def _fire(self) -> None:
        self._timer = None
        self._due = math.inf
        now = time.monotonic()
        for tick in [tick for tick in self._members if tick * TICK_SECONDS <= now]:
            for member in self._members.pop(tick, ()):
                self._end(member)
        if self._members:
            self._arm(min(self._members))
