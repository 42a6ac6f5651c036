"""Texts as the graphs of sentiment and embeddings read them."""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import Tokenizer

from nlp.training.graph import Encoded

LONGEST = 128
"""Pieces of a text for evaluation; longer ones are cut, which few are."""


def encoded(texts: Sequence[str], tokenizer: Tokenizer, longest: int = LONGEST) -> list[Encoded]:
    """The pieces of every text, the special ones included, cut after `longest` of them."""
    return [
        Encoded(one.ids if len(one.ids) <= longest else [*one.ids[: longest - 1], one.ids[-1]])
        for one in tokenizer.encode_batch(list(texts))
    ]
