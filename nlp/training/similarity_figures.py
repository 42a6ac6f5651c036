"""How well embeddings tell which sentences mean the same: rank correlation on STS-B."""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from nlp.training.graph import Graph
from nlp.training.intervals import Indices, interval, named
from nlp.training.sentiment_figures import encoded

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pairs:
    firsts: list[str]
    seconds: list[str]
    scores: Numbers
    """0 to 5: how alike people found each pair."""


def read_pairs(data: Path, part: str) -> Pairs:
    """STS-B (Cer et al. 2017): dev or test."""
    path = data / "embeddings" / f"stsb-en-{part}.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    return Pairs(
        [row[0] for row in rows],
        [row[1] for row in rows],
        np.array([float(row[2]) for row in rows]),
    )


def figures_of(graph: Graph, name: str, pairs: Pairs, tokenizer: Tokenizer) -> dict[str, float]:
    """Spearman's rank correlation of cosines and scores, with its interval."""
    vectors = np.stack(graph(encoded([*pairs.firsts, *pairs.seconds], tokenizer)))
    firsts, seconds = np.split(vectors.astype(np.float64), 2)
    cosines: Numbers = (firsts * seconds).sum(axis=1)

    def correlation(rows: Indices) -> float:
        return spearman(cosines[rows], pairs.scores[rows])

    everything = np.arange(len(cosines))
    return named(name, correlation(everything), interval(len(cosines), correlation))


def spearman(some: Numbers, others: Numbers) -> float:
    ranks, other_ranks = _ranks(some), _ranks(others)
    if not (np.ptp(ranks) and np.ptp(other_ranks)):
        return 0.0  # all alike: they tell nothing of each other
    return float(np.corrcoef(ranks, other_ranks)[0, 1])


def _ranks(values: Numbers) -> Numbers:
    """Equal values share the mean of their ranks."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: Numbers = (ends - (counts - 1) / 2)[place]
    return ranks
