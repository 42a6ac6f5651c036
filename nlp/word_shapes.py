"""How a word is written, as a small number: the vocabulary knows no capitals, names do.

A word is what the tokenizer splits at spaces and punctuation, before it cuts it into pieces.
"""

from __future__ import annotations

from collections.abc import Sequence

NO_WORD = 0
"""Of special tokens and of padding."""
LOWER = 1
UPPER = 2
CAPITALISED = 3
DIGITS = 4
WITH_DIGITS = 5
MIXED = 6
OTHER = 7
SINGLE_CAPITAL = 8
SHAPES = 9


def shape_of(word: str) -> int:
    """The shape of one word: punctuation and scripts without capitals are OTHER."""
    if word.isdigit():
        return DIGITS
    if any(character.isdigit() for character in word):
        return WITH_DIGITS
    if word.islower():
        return LOWER
    if word.isupper():
        return UPPER if len(word) > 1 else SINGLE_CAPITAL
    if word[:1].isupper() and word[1:].islower():
        return CAPITALISED
    return MIXED if any(character.isupper() for character in word) else OTHER


def shapes_of(
    text: str, words: Sequence[int | None], offsets: Sequence[tuple[int, int]]
) -> list[int]:
    """The shape of every piece's word.

    words, offsets: `word_ids` and `offsets` of the tokenizer's encoding of `text`.
    """
    spans: dict[int, tuple[int, int]] = {}
    for word, (start, end) in zip(words, offsets, strict=True):
        if word is not None:
            spans[word] = (spans.get(word, (start, end))[0], end)
    shapes = {word: shape_of(text[start:end]) for word, (start, end) in spans.items()}
    return [NO_WORD if word is None else shapes[word] for word in words]
