"""The figures of a card beside those that were measured, and what to think of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from mlmesh.evaluation.evaluation import Evaluation, Tolerance

LOW, HIGH = "_low", "_high"
ROUNDING = 1e-9
"""Cards hold decimal fractions, whose differences are not exact."""


class Verdict(StrEnum):
    HOLDS = "holds"
    DIFFERS = "differs"
    PART = "part of the set"
    """Too few items were asked about to judge."""
    UNASKED = "not asked"
    NEW = "not in the card"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure."""

    figure: str
    card: float | None
    bounds: tuple[float, float] | None
    """The card's 95 % interval."""
    measured: float | None
    tolerance: Tolerance
    verdict: Verdict
    reason: str = ""
    """Why it was not asked."""

    @property
    def difference(self) -> float | None:
        if self.card is None or self.measured is None:
            return None
        return self.measured - self.card


def compare(
    card: Mapping[str, float],
    measured: Mapping[str, float],
    evaluation: Evaluation,
    *,
    whole: bool,
) -> Iterator[Comparison]:
    """Every figure of the card, then those that it lacks; whole: all items were asked about."""
    for figure in (*card, *(name for name in measured if name not in card)):
        if _is_bound(figure, card) or _is_bound(figure, measured):
            continue
        low, high = card.get(figure + LOW), card.get(figure + HIGH)
        stated, found = card.get(figure), measured.get(figure)
        tolerance = evaluation.tolerance(figure)
        yield Comparison(
            figure,
            stated,
            None if low is None or high is None else (low, high),
            found,
            tolerance,
            _verdict(stated, found, tolerance, whole=whole),
            evaluation.why_unasked(figure) or "the evaluation knows no such figure",
        )


def holds(comparisons: Sequence[Comparison]) -> bool:
    """Whether no figure differs, and one at least was judged, or none was meant to be."""
    verdicts = {one.verdict for one in comparisons}
    return Verdict.DIFFERS not in verdicts and bool(verdicts & {Verdict.HOLDS, Verdict.PART})


def _verdict(
    stated: float | None, found: float | None, tolerance: Tolerance, *, whole: bool
) -> Verdict:
    if found is None:
        return Verdict.UNASKED
    if stated is None:
        return Verdict.NEW
    if not whole:
        return Verdict.PART
    near = abs(found - stated) <= tolerance.distance + ROUNDING
    return Verdict.HOLDS if near else Verdict.DIFFERS


def _is_bound(name: str, figures: Mapping[str, float]) -> bool:
    """Whether it is the end of another figure's interval."""
    return any(name.endswith(end) and name.removesuffix(end) in figures for end in (LOW, HIGH))
