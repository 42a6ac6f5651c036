"""How a run learns that nobody waits for it any more."""

from __future__ import annotations

from collections.abc import Callable


class Stop:
    """Tells a run that nobody waits for it any more."""

    def __init__(self) -> None:
        self.requested = False
        self._act: Callable[[], None] | None = None

    def on_request(self, act: Callable[[], None]) -> None:
        """Call `act` when nobody waits any more, at once if that is so already."""
        self._act = act
        if self.requested:
            act()

    def request(self) -> None:
        self.requested = True
        if self._act is not None:
            self._act()
