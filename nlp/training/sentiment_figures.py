"""How well sentiment is told: accuracy with its uncertainty, and calibration."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from nlp.training.calibration import Numbers, calibration_error, warmed
from nlp.training.graph import Encoded, Graph
from nlp.training.intervals import Indices, interval, named
from nlp.training.sentiment_texts import SentimentTexts
from nlp.training.treebank import LABELS, NEGATIVE, POSITIVE, Labelled

LONGEST = 128
"""Pieces of a text for evaluation; longer ones are cut, which few are."""
Labels = NDArray[np.int64]


def encoded(texts: Sequence[str], tokenizer: Tokenizer, longest: int = LONGEST) -> list[Encoded]:
    """Texts as the graph reads them, the special pieces included, cut after `longest` pieces."""
    return [
        Encoded(one.ids if len(one.ids) <= longest else [*one.ids[: longest - 1], one.ids[-1]])
        for one in tokenizer.encode_batch(list(texts))
    ]


def probabilities_of(graph: Graph, texts: Sequence[Labelled], tokenizer: Tokenizer) -> Numbers:
    """float64 [texts, 3]"""
    answers: Numbers = np.stack(graph(encoded([one.text for one in texts], tokenizer)))
    return answers.astype(np.float64)


def figures_of(
    graph: Graph, texts: SentimentTexts, tokenizer: Tokenizer, temperature: float
) -> dict[str, float]:
    """Accuracies of all test sets with their intervals, and calibration errors.

    temperature: what the graph's scores were divided by, to tell what they were before.
    """
    figures: dict[str, float] = {}
    for name, part in (
        ("sst2", texts.pairs_test),
        ("amazon_yelp", texts.reviews_test),
        ("sst3", texts.treebank_test),
        ("tweeteval", texts.tweets_test),
    ):
        probabilities = probabilities_of(graph, part, tokenizer)
        labels = np.array([one.label for one in part])
        two = len(set(labels.tolist())) == 2
        figures |= _figures(name, probabilities, labels, two=two)
        if not two:
            figures |= _calibration(name, probabilities, labels, temperature)
    return figures


def _figures(name: str, probabilities: Numbers, labels: Labels, *, two: bool) -> dict[str, float]:
    """With two classes the neutral one is no answer."""
    if two:
        answers = np.where(
            probabilities[:, POSITIVE] > probabilities[:, NEGATIVE], POSITIVE, NEGATIVE
        )
    else:
        answers = probabilities.argmax(axis=1)
    hits = answers == labels

    def accuracy(rows: Indices) -> float:
        return float(hits[rows].mean())

    figures = named(f"{name}_accuracy", float(hits.mean()), interval(len(hits), accuracy))
    if not two:
        recalls = [hits[labels == label].mean() for label in range(len(LABELS))]
        figures[f"{name}_macro_recall"] = round(float(np.mean(recalls)), 4)
    return figures


def _calibration(
    name: str, probabilities: Numbers, labels: Labels, temperature: float
) -> dict[str, float]:
    return {
        f"{name}_calibration_error": _error(probabilities, labels),
        f"{name}_calibration_error_before": _error(warmed(probabilities, temperature), labels),
    }


def _error(probabilities: Numbers, labels: Labels) -> float:
    happened = probabilities.argmax(axis=1) == labels
    return round(calibration_error(probabilities.max(axis=1), happened), 4)
