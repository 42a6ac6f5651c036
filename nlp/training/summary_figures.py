"""How good summaries are: ROUGE, beside what the first sentences of the text reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlmesh.evaluation.intervals import Indices, interval, named
from nlp.sentences import sentences_of
from nlp.summary import Length, candidates_of
from nlp.training.rouge import rouge
from nlp.training.summary_texts import Article, read_bbc, read_cnndm

FIRST_SENTENCES = "the first sentences"
Scores = NDArray[np.float64]
Summary = Sequence[str]
"""The chosen sentences."""


@dataclass(frozen=True, slots=True)
class Summarised:
    """Articles of one set, and how much of each a summary holds."""

    articles: Sequence[Article]
    length: Length


def read_summary_tests(data: Path) -> dict[str, Summarised]:
    """The sets below the folder `data`, by the names that their figures begin with."""
    bbc, cnndm = read_bbc(data), read_cnndm(data)
    return {
        "bbc": Summarised(bbc, Length(share=0.4)),
        "bbc_three": Summarised(bbc, Length(3)),
        "cnndm_three": Summarised(cnndm, Length(3)),
    }


def figures_of(
    name: str, articles: Sequence[Article], summaries: Sequence[Summary]
) -> dict[str, float]:
    """Means over the articles: ROUGE F1, and by how much ROUGE-1 is above the same number of first
    sentences, both with intervals."""
    scores = _scores(articles, summaries)
    lead = _scores(articles, first_sentences(articles, summaries))
    return {**_named(name, scores), **_mean(f"{name}_over_lead", scores[:, 0] - lead[:, 0])}


def lead_figures_of(
    name: str, articles: Sequence[Article], summaries: Sequence[Summary]
) -> dict[str, float]:
    """ROUGE F1 of the first sentences, as many as each summary has."""
    return _named(name, _scores(articles, first_sentences(articles, summaries)))


def first_sentences(articles: Sequence[Article], summaries: Sequence[Summary]) -> list[Summary]:
    """Of those that a summary may hold: headings and the like are not counted."""
    return [
        may_be_chosen(article.text)[: len(summary)]
        for article, summary in zip(articles, summaries, strict=True)
    ]


def may_be_chosen(text: str) -> list[str]:
    sentences = [text[start:end] for start, end in sentences_of(text)]
    return [sentences[index] for index in candidates_of(sentences)]


def _scores(articles: Sequence[Article], summaries: Sequence[Summary]) -> Scores:
    """float64 [articles, 3]"""
    found = [
        rouge(article.reference, summary)
        for article, summary in zip(articles, summaries, strict=True)
    ]
    return np.array([(one.one, one.two, one.lsum) for one in found])


def _named(name: str, scores: Scores) -> dict[str, float]:
    return {
        **_mean(f"{name}_rouge1", scores[:, 0]),
        f"{name}_rouge2": round(float(scores[:, 1].mean()), 4),
        f"{name}_rougelsum": round(float(scores[:, 2].mean()), 4),
    }


def _mean(name: str, values: Scores) -> dict[str, float]:
    def mean(rows: Indices) -> float:
        return float(values[rows].mean())

    return named(name, float(values.mean()), interval(len(values), mean))
