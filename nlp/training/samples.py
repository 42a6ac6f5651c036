"""Texts of all kinds and lengths, none of which is tested: the int8 scales are fitted to them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from nlp.training.entity_texts import Sentence, read_emerging, read_news, read_wikigold
from nlp.training.plain_sentences import plain_sentences
from nlp.training.review_sentences import read_review_sentences
from nlp.training.treebank import read_reviews

SEED = 0
OF_EACH = 40
PASSAGES = 24
LONGEST_PASSAGE = 12
"""Sentences."""


def varied_sample(data: Path) -> list[str]:
    """The same texts each time, in random order."""
    sentiment, ner = data / "sentiment", data / "ner"
    news = read_news(ner, "train")
    sets = (
        [review.sentence.text for review in read_reviews(sentiment / "sst_trees/train.txt.gz")],
        [one.text for one in read_review_sentences(sentiment / "uci_sentences").train],
        [one.text for one in plain_sentences(OF_EACH, SEED)],
        [one.text for one in news],
        [one.text for one in read_emerging(ner, "train")],
        [one.text for one in read_wikigold(ner)[0]],
    )
    chooser = random.Random(SEED)
    chosen = [text for texts in sets for text in chooser.sample(texts, min(OF_EACH, len(texts)))]
    chosen += _passages(news, chooser)
    chooser.shuffle(chosen)
    return chosen


def _passages(sentences: Sequence[Sentence], chooser: random.Random) -> list[str]:
    """Neighbouring sentences as one text, from two to a dozen."""
    starts = [chooser.randrange(max(len(sentences) - LONGEST_PASSAGE, 1)) for _ in range(PASSAGES)]
    return [
        " ".join(one.text for one in sentences[start : start + chooser.randint(2, LONGEST_PASSAGE)])
        for start in starts
    ]
