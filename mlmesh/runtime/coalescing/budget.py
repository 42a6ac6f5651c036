"""Bounds how many calls are sent again, so that failures do not multiply the load."""

from __future__ import annotations

import random

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 0.5
"""Seconds."""
EARNED = 0.1
"""What an answer adds."""


class RetryBudget:
    """tokens: how many calls may be sent again in a row."""

    __slots__ = ("_most", "_tokens")

    def __init__(self, tokens: int) -> None:
        self._most = float(tokens)
        self._tokens = float(tokens)

    def earn(self, answers: int) -> None:
        self._tokens = min(self._most, self._tokens + EARNED * answers)

    def spend(self) -> bool:
        """Whether one more call may be sent again."""
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def pause_before(attempt: int) -> float:
    """Seconds before a call is sent for the second time (attempt 1), the third, and so on."""
    return float(random.uniform(0.8, 1.2) * min(FIRST_PAUSE * 2 ** (attempt - 1), LONGEST_PAUSE))
