"""How well entities are found: exact matches of place and type, over whole sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlmesh.evaluation.calibration import calibration_error
from mlmesh.evaluation.intervals import interval, named
from nlp.training.entity_tests import Judged
from nlp.training.entity_texts import Span

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Claim:
    """An entity that a model found."""

    span: Span
    confidence: float


def figures_of(name: str, judged: Judged, claims: Sequence[Sequence[Claim]]) -> dict[str, float]:
    """F1 over all types of the set with its interval, F1 of every type, and calibration error."""
    kept = [[one for one in found if one.span[2] in judged.types] for found in claims]
    gold = [
        {span for span in sentence.spans() if span[2] in judged.types}
        for sentence in judged.sentences
    ]
    counts = _counts(kept, gold)
    bounds = interval(len(gold), lambda rows: f1(counts[rows]))
    return {
        **named(f"{name}_f1", f1(counts), bounds),
        **{
            f"{name}_f1_{kind.lower()}": round(f1(_counts(_only(kept, kind), _of(gold, kind))), 4)
            for kind in judged.types
        },
        f"{name}_calibration_error": round(_error(kept, gold), 4),
    }


def f1(counts: Counts) -> float:
    """Of rows of [right, found, true]."""
    right, found, true = counts.sum(axis=0)
    return float(2 * right / max(found + true, 1))


def _counts(claims: Sequence[Sequence[Claim]], gold: Sequence[set[Span]]) -> Counts:
    return np.array(
        [
            (sum(one.span in true for one in found), len(found), len(true))
            for found, true in zip(claims, gold, strict=True)
        ]
    )


def _error(claims: Sequence[Sequence[Claim]], gold: Sequence[set[Span]]) -> float:
    """Calibration error of the confidences."""
    certain = [
        (one.confidence, one.span in true)
        for found, true in zip(claims, gold, strict=True)
        for one in found
    ]
    claimed = np.array([confidence for confidence, _ in certain])
    return calibration_error(claimed, np.array([right for _, right in certain], bool))


def _only(claims: Sequence[Sequence[Claim]], kind: str) -> list[list[Claim]]:
    return [[one for one in found if one.span[2] == kind] for found in claims]


def _of(gold: Sequence[set[Span]], kind: str) -> list[set[Span]]:
    return [{span for span in true if span[2] == kind} for true in gold]
