"""Learns what a batch costs: seconds = slope * rows + base."""

from __future__ import annotations

FORGET = 0.98
"""Weight of all that was learned before, at every new run; about the last 50 runs count."""


class CostLine:
    """Exponentially weighted least squares over (rows, seconds) of the runs so far.

    Knows nothing, and so charges nothing, before the first run.
    """

    def __init__(self) -> None:
        self._weight = 0.0
        self._rows = 0.0
        self._seconds = 0.0
        self._rows_squared = 0.0
        self._product = 0.0

    def learn(self, rows: int, seconds: float) -> None:
        self._weight = FORGET * self._weight + 1
        self._rows = FORGET * self._rows + rows
        self._seconds = FORGET * self._seconds + seconds
        self._rows_squared = FORGET * self._rows_squared + rows * rows
        self._product = FORGET * self._product + rows * seconds

    def seconds(self, rows: int) -> float:
        """What `rows` rows will probably take; never negative, and 0 for none."""
        if not self._weight or not rows:
            return 0.0
        mean_rows, mean_seconds = self._rows / self._weight, self._seconds / self._weight
        variance = self._rows_squared / self._weight - mean_rows * mean_rows
        if variance <= 1e-9 * mean_rows * mean_rows:
            # All runs had the same size, so there is no line yet, only a point.
            return mean_seconds * max(1.0, rows / mean_rows)
        slope = max(0.0, (self._product / self._weight - mean_rows * mean_seconds) / variance)
        return max(0.0, mean_seconds + slope * (rows - mean_rows))
