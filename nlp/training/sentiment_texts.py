"""What the sentiment model learns from, and what it is judged by."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nlp.training.entity_texts import Sentence, read_encyclopaedia
from nlp.training.plain_sentences import plain_sentences
from nlp.training.review_sentences import bare, read_review_sentences
from nlp.training.sentiment_tests import read_sentiment_tests
from nlp.training.treebank import NEUTRAL, Labelled, read_reviews

SENTENCE_REPEATS = 2
REVIEW_REPEATS = 2
PLAIN = 600
ENCYCLOPAEDIC = 1200
NEUTRAL_SHARE = 1 / 3
"""Neutral phrases for each phrase that is not neutral: most phrases are neutral, which says
little."""


@dataclass(frozen=True, slots=True)
class SentimentTexts:
    train: list[Labelled]
    validation: list[Labelled]
    tests: Mapping[str, list[Labelled]]
    """See `read_sentiment_tests`."""


def read_sentiment_texts(data: Path, seed: int) -> SentimentTexts:
    """Read all sets below the folder `data`; nothing that is tested or validated is learnt."""
    folder = data / "sentiment"
    trees = {
        part: read_reviews(folder / "sst_trees" / f"{part}.txt.gz") for part in ("train", "dev")
    }
    sentences = {part: [review.sentence for review in trees[part]] for part in trees}
    reviews = read_review_sentences(folder / "uci_sentences")
    validation = sentences["dev"] + reviews.validation
    tests = read_sentiment_tests(data)
    kept_apart = (validation, tests["sst3"], tests["sst2"], tests["amazon_yelp"])
    held_out = {bare(one.text) for part in kept_apart for one in part}
    phrases = {one.text: one for review in trees["train"] for one in review.phrases}
    learnt = [
        *_balanced(list(phrases.values()), seed),
        *sentences["train"] * SENTENCE_REPEATS,
        *reviews.train * REVIEW_REPEATS,
        *plain_sentences(PLAIN, seed),
        *_encyclopaedic(data, seed),
    ]
    return SentimentTexts(
        train=[one for one in learnt if bare(one.text) not in held_out],
        validation=validation,
        tests=tests,
    )


def _balanced(phrases: list[Labelled], seed: int) -> list[Labelled]:
    neutral = [one for one in phrases if one.label == NEUTRAL]
    others = [one for one in phrases if one.label != NEUTRAL]
    random.Random(seed).shuffle(neutral)
    return others + neutral[: int(len(others) * NEUTRAL_SHARE)]


def _encyclopaedic(data: Path, seed: int) -> list[Labelled]:
    """Sentences of an encyclopaedia, which are taken as neutral unread."""
    sentences: list[Sentence] = read_encyclopaedia(data / "ner")
    random.Random(seed).shuffle(sentences)
    return [Labelled(one.text, NEUTRAL) for one in sentences[:ENCYCLOPAEDIC]]
