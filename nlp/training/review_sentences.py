"""Sentences of shop, restaurant and film reviews (Kotzias et al. 2015), parted by their text."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from nlp.training.treebank import NEGATIVE, POSITIVE, Labelled

TESTED = ("amazon_cells", "yelp")
"""Half of these sentences is kept for testing."""
LEARNT = ("imdb",)


@dataclass(frozen=True, slots=True)
class ReviewSentences:
    train: list[Labelled]
    validation: list[Labelled]
    test: list[Labelled]


def read_review_sentences(folder: Path) -> ReviewSentences:
    """Part the files: which part a sentence is in depends on its words alone, so repetitions stay
    together."""
    parts = ReviewSentences([], [], [])
    for name in (*LEARNT, *TESTED):
        for line in (folder / f"{name}_labelled.txt").read_text(encoding="utf-8").splitlines():
            text, label = line.rsplit("\t", 1)
            sentence = Labelled(text.strip(), POSITIVE if label.strip() == "1" else NEGATIVE)
            number = hashlib.sha256(bare(text).encode()).digest()[0]
            if name in TESTED and number % 2:
                parts.test.append(sentence)
            elif number < 26:
                parts.validation.append(sentence)
            else:
                parts.train.append(sentence)
    return parts


def bare(text: str) -> str:
    """Letters and digits only: what two spellings of one sentence have in common."""
    return re.sub(r"\W", "", text.lower())
