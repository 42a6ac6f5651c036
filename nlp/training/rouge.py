"""ROUGE (Lin 2004): how many words and runs of words a summary shares with one by a person.

Words are runs of letters and digits in small letters, without stemming. For the rest it counts as
the package rouge-score and ROUGE-1.5.5 do.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_WORD = re.compile(r"[a-z0-9]+")
Words = list[str]


@dataclass(frozen=True, slots=True)
class Rouge:
    """F1 of each kind, 0 to 1."""

    one: float
    """Of single words."""
    two: float
    """Of pairs of neighbouring words."""
    lsum: float
    """Of what each sentence of the reference has, in its order, in any of the summary's."""


def rouge(reference: Sequence[str], summary: Sequence[str]) -> Rouge:
    """Both as sentences."""
    true, found = (
        [_WORD.findall(sentence.lower()) for sentence in text] for text in (reference, summary)
    )
    return Rouge(_runs(true, found, 1), _runs(true, found, 2), _sequences(true, found))


def _runs(true: Sequence[Words], found: Sequence[Words], length: int) -> float:
    """Runs go on from one sentence to the next."""
    counts = []
    for sentences in (true, found):
        words = [word for sentence in sentences for word in sentence]
        starts = range(len(words) - length + 1)
        counts.append(Counter(tuple(words[start : start + length]) for start in starts))
    return _f1((counts[0] & counts[1]).total(), counts[0].total(), counts[1].total())


def _sequences(true: Sequence[Words], found: Sequence[Words]) -> float:
    """Of the union of longest common subsequences; no word counts more often than it stands."""
    left = Counter(word for sentence in true for word in sentence)
    left &= Counter(word for sentence in found for word in sentence)
    hits = 0
    for sentence in true:
        places = {place for other in found for place in _common(sentence, other)}
        for word in (sentence[place] for place in sorted(places)):
            if left[word]:
                left[word] -= 1
                hits += 1
    return _f1(hits, sum(map(len, true)), sum(map(len, found)))


def _common(one: Words, other: Words) -> list[int]:
    """Places in `one` of a longest common subsequence."""
    table = [[0] * (len(other) + 1)]
    for word in one:
        above, row = table[-1], [0]
        for place, same in enumerate(other):
            row.append(above[place] + 1 if word == same else max(above[place + 1], row[place]))
        table.append(row)
    places = []
    down, right = len(one), len(other)
    while down and right:
        if one[down - 1] == other[right - 1]:
            down, right = down - 1, right - 1
            places.append(down)
        elif table[down][right - 1] > table[down - 1][right]:
            right -= 1
        else:
            down -= 1
    return places


def _f1(hits: int, true: int, found: int) -> float:
    return 2 * hits / (true + found) if true + found else 0.0
