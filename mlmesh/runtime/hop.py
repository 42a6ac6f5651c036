"""How much of a call's time the next process gets."""

from __future__ import annotations

HOP_SHARE = 0.05
HOP_SECONDS = 0.05


def hop_seconds(left: float) -> float:
    """A little less than is left, so that the next process's own answer to a missed deadline comes
    before ours is due."""
    return left - min(HOP_SECONDS, HOP_SHARE * left)
