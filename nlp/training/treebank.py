"""The Stanford Sentiment Treebank (Socher et al. 2013): film reviews, every phrase labelled."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

NEGATIVE, NEUTRAL, POSITIVE = range(3)
LABELS = ("negative", "neutral", "positive")
_PART = re.compile(r"\((\d) |(\))|([^()\s]+)")
_BRACKETS = {"-LRB-": "(", "-RRB-": ")", "\\/": "/", "``": '"', "''": '"'}


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text with the position of its label among LABELS."""

    text: str
    label: int


@dataclass(frozen=True, slots=True)
class Review:
    sentence: Labelled
    phrases: tuple[Labelled, ...]
    """Of three words or more, without the sentence itself."""


def read_reviews(path: Path) -> list[Review]:
    """The trees of one file; of the five shades the outer two count as the inner ones do."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [_review(line) for line in file if line.strip()]


def read_pairs(path: Path) -> list[Labelled]:
    """The two-class sentences that are known as SST-2."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        parted = [line.rstrip("\n").rsplit("\t", 1) for line in file]
    return [
        Labelled(readable(text), POSITIVE if label == "1" else NEGATIVE) for text, label in parted
    ]


def readable(text: str) -> str:
    """The text with the signs that the treebank spells out."""
    for spelt, sign in _BRACKETS.items():
        text = text.replace(spelt, sign)
    return text


def _review(line: str) -> Review:
    *phrases, (shade, words) = _nodes(line)
    return Review(
        _labelled(shade, words),
        tuple(_labelled(*phrase) for phrase in phrases if len(phrase[1]) >= 3),
    )


def _nodes(line: str) -> Iterator[tuple[int, list[str]]]:
    """Shade and words of every node; the root comes last."""
    opened: list[tuple[int, list[str]]] = []
    for shade, closing, word in _PART.findall(line):
        if shade:
            opened.append((int(shade), []))
        elif closing:
            node = opened.pop()
            yield node
            if opened:
                opened[-1][1].extend(node[1])
        else:
            opened[-1][1].append(word)


def _labelled(shade: int, words: list[str]) -> Labelled:
    label = NEGATIVE if shade < 2 else NEUTRAL if shade == 2 else POSITIVE
    return Labelled(readable(" ".join(words)), label)
