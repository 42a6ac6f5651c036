"""What happened between two looks at a program's metrics: rates, levels, quantiles."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from mlmesh.cli.top_scrape import Labels, Scrape


@dataclass(frozen=True, slots=True)
class Change:
    """Labels that are named must be equal; what has others is added up."""

    before: Scrape
    after: Scrape

    @property
    def seconds(self) -> float:
        return max(self.after.at - self.before.at, 1e-9)

    def level(self, name: str, **labels: str) -> float:
        """A gauge as it is now; 0 when the program has none of it."""
        return sum(value for _, value in self._now(name, labels))

    def rate(self, name: str, **labels: str) -> float:
        """What a counter grew by, a second."""
        return sum(self._growth(name, key, now) for key, now in self._now(name, labels)) / (
            self.seconds
        )

    def rate_but(self, name: str, label: str, value: str, **labels: str) -> float:
        """The rate of the series in which a label has any other value than this."""
        return self.rate(name, **labels) - self.rate(name, **labels, **{label: value})

    def mean(self, name: str, **labels: str) -> float:
        """Mean of what a histogram took in; NaN when that is nothing."""
        count = self.rate(f"{name}_count", **labels)
        return self.rate(f"{name}_sum", **labels) / count if count else math.nan

    def quantile(self, share: float, name: str, **labels: str) -> float:
        """A quantile of what a histogram took in, as Prometheus' histogram_quantile estimates it.

        NaN when it took in nothing; the highest finite bound when it lies beyond that.
        """
        grown: dict[float, float] = {}
        for key, now in self._now(f"{name}_bucket", labels):
            bound = float(dict(key)["le"])
            grown[bound] = grown.get(bound, 0.0) + self._growth(f"{name}_bucket", key, now)
        if not grown or not grown.get(math.inf):
            return math.nan
        rank, lower, below = share * grown[math.inf], 0.0, 0.0
        for bound in sorted(grown):
            if grown[bound] >= rank:
                if math.isinf(bound):
                    return lower
                return lower + (bound - lower) * (rank - below) / (grown[bound] - below)
            lower, below = bound, grown[bound]
        return lower

    def values(self, name: str, label: str) -> list[str]:
        """The values that a label has now."""
        series = self.after.samples.get(name, {})
        return sorted({dict(key)[label] for key in series if label in dict(key)})

    def _now(self, name: str, labels: dict[str, str]) -> Iterator[tuple[Labels, float]]:
        wanted = labels.items()
        for key, value in self.after.samples.get(name, {}).items():
            if wanted <= dict(key).items():
                yield key, value

    def _growth(self, name: str, key: Labels, now: float) -> float:
        earlier = self.before.samples.get(name, {}).get(key, 0.0)
        # A program that was started again counts from 0.
        return now - earlier if now >= earlier else now
