"""How well embeddings tell which sentences mean the same: correlation with people on STS-B."""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlmesh.evaluation.intervals import Indices, interval, named

SIMILARITY = "stsb"
"""What the names of the figures begin with."""
Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pair:
    first: str
    second: str
    score: float
    """0 to 5: how alike people found them."""


def read_pairs(data: Path, part: str) -> list[Pair]:
    """STS-B (Cer et al. 2017): dev or test."""
    path = data / "embeddings" / f"stsb-en-{part}.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return [Pair(row[0], row[1], float(row[2])) for row in csv.reader(file)]


def figures_of(name: str, cosines: Numbers, scores: Numbers) -> dict[str, float]:
    """Spearman's rank correlation, with its interval, and Pearson's; float64 [pairs] each."""

    def ranks_agree(rows: Indices) -> float:
        return spearman(cosines[rows], scores[rows])

    everything = np.arange(len(cosines))
    bounds = interval(len(cosines), ranks_agree)
    return {
        **named(f"{name}_spearman", ranks_agree(everything), bounds),
        f"{name}_pearson": round(pearson(cosines, scores), 4),
    }


def spearman(some: Numbers, others: Numbers) -> float:
    """Pearson's correlation of the ranks."""
    return pearson(_ranks(some), _ranks(others))


def pearson(some: Numbers, others: Numbers) -> float:
    if not (np.ptp(some) and np.ptp(others)):
        return 0.0  # all alike: they tell nothing of each other
    return float(np.corrcoef(some, others)[0, 1])


def _ranks(values: Numbers) -> Numbers:
    """Equal values share the mean of their ranks."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: Numbers = (ends - (counts - 1) / 2)[place]
    return ranks
