"""Summaries by an exported graph, chosen as the service chooses them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tokenizers import Tokenizer

from nlp.summary import Length, Vectors, best_of, scores_of
from nlp.training.encoded_texts import encoded
from nlp.training.graph import Graph
from nlp.training.summary_figures import may_be_chosen
from nlp.training.summary_texts import Article

LONGEST = 256
"""Pieces of a sentence; longer ones are cut, which hardly any is."""


def summaries_of(
    graph: Graph, tokenizer: Tokenizer, articles: Sequence[Article], length: Length
) -> list[list[str]]:
    """The chosen sentences of every article."""
    sentences = [may_be_chosen(article.text) for article in articles]
    vectors = iter(graph(encoded([one for text in sentences for one in text], tokenizer, LONGEST)))
    return [_chosen(text, np.stack([next(vectors) for _ in text]), length) for text in sentences]


def _chosen(sentences: Sequence[str], vectors: Vectors, length: Length) -> list[str]:
    count = length.of(len(sentences))
    return [sentences[index] for index in best_of(scores_of(vectors, count), count)]
