"""What embeddings are judged by: pairs of sentences, and the summaries that are chosen by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from nlp.training import similarity_figures, summary_figures
from nlp.training.encoded_texts import encoded
from nlp.training.graph import Graph
from nlp.training.similarity_figures import SIMILARITY, Pair, read_pairs
from nlp.training.summaries import summaries_of
from nlp.training.summary_figures import Summarised, may_be_chosen, read_summary_tests


@dataclass(frozen=True, slots=True)
class EmbeddingTests:
    pairs: Sequence[Pair]
    summarised: Mapping[str, Summarised]

    @property
    def rows(self) -> int:
        """Pairs and articles; two sets may be of the same articles."""
        articles = {id(one.articles): len(one.articles) for one in self.summarised.values()}
        return len(self.pairs) + sum(articles.values())


def read_embedding_tests(data: Path) -> EmbeddingTests:
    return EmbeddingTests(read_pairs(data, "test"), read_summary_tests(data))


def all_figures(graph: Graph, tests: EmbeddingTests, tokenizer: Tokenizer) -> dict[str, float]:
    """Figures of all test sets, by the graph alone."""
    texts = [one.first for one in tests.pairs] + [one.second for one in tests.pairs]
    firsts, seconds = np.split(np.stack(graph(encoded(texts, tokenizer))).astype(np.float64), 2)
    scores = np.array([one.score for one in tests.pairs])
    cosines = (firsts * seconds).sum(axis=1)
    figures = similarity_figures.figures_of(SIMILARITY, cosines, scores)
    for name, one in tests.summarised.items():
        summaries = summaries_of(graph, tokenizer, one.articles, one.length)
        figures |= summary_figures.figures_of(name, one.articles, summaries)
    return figures


def lead_figures(tests: EmbeddingTests) -> dict[str, float]:
    """The same ROUGE of the first sentences."""
    figures: dict[str, float] = {}
    for name, one in tests.summarised.items():
        sentences = [may_be_chosen(article.text) for article in one.articles]
        lead = [text[: one.length.of(len(text))] for text in sentences]
        figures |= summary_figures.lead_figures_of(name, one.articles, lead)
    return figures
