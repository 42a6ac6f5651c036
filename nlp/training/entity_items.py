"""Sentences as the entity model gets them: pieces, the shapes of their words, and allowed tags.

A model that only ever saw single sentences does not use the ones around; so runs of neighbouring
sentences are learnt together, half of the time.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tokenizers import Encoding, Tokenizer

from nlp.training.entity_texts import Sentence
from nlp.training.tags import ANY, Allowed, continued
from nlp.word_shapes import (
    CAPITALISED,
    LOWER,
    MIXED,
    NO_WORD,
    SINGLE_CAPITAL,
    UPPER,
    shapes_of,
)

LONGEST = 126
"""Pieces of an item, without the two special ones around them."""
SHORTEST_RUN = 40
RUN_SHARE = 0.5
RESPELT_SHARE = 0.05
"""Part of the items that is learnt as if written in small letters, and again in capitals."""
START, END = 101, 102
_LETTERS = {LOWER, UPPER, CAPITALISED, MIXED, SINGLE_CAPITAL}


@dataclass(frozen=True, slots=True)
class Item:
    pieces: list[int]
    shapes: list[int]
    allowed: list[Allowed]
    """Tags that may be true; every one for pieces that do not begin a word."""

    def __len__(self) -> int:
        return len(self.pieces)


def items_of(sentences: Sequence[Sentence], tokenizer: Tokenizer) -> list[Item]:
    """Each sentence by itself, without the special pieces."""
    texts = [sentence.text for sentence in sentences]
    encodings = tokenizer.encode_batch(texts, add_special_tokens=False)
    return [
        Item(
            encoding.ids[:LONGEST],
            shapes_of(sentence.text, encoding.word_ids, encoding.offsets)[:LONGEST],
            _allowed(sentence, encoding)[:LONGEST],
        )
        for sentence, encoding in zip(sentences, encodings, strict=True)
        if encoding.ids
    ]


def _allowed(sentence: Sentence, encoding: Encoding) -> list[Allowed]:
    """The tokenizer's words are parts of the sentence's, which end at spaces."""
    starts: dict[int, Allowed] = {}
    rests: dict[int, Allowed] = {}
    place = 0
    for word, allowed in zip(sentence.words, sentence.allowed, strict=True):
        starts[place] = allowed
        rests.update(dict.fromkeys(range(place + 1, place + len(word)), continued(allowed)))
        place += len(word) + 1
    tags: list[Allowed] = []
    before = None
    for word_number, (start, _) in zip(encoding.word_ids, encoding.offsets, strict=True):
        first = word_number != before
        tags.append(starts.get(start, rests.get(start, ANY)) if first else ANY)
        before = word_number
    return tags


def joined(items: Sequence[Item]) -> Item:
    """One item with the special pieces around it."""
    return Item(
        [START, *(one for item in items for one in item.pieces), END],
        [NO_WORD, *(one for item in items for one in item.shapes), NO_WORD],
        [ANY, *(one for item in items for one in item.allowed), ANY],
    )


def in_runs(items: Sequence[Item], generator: random.Random) -> Iterator[Item]:
    """Neighbouring sentences together up to a random length, or one by itself."""
    run: list[Item] = []
    room = 0
    for item in items:
        if run and len(item) > room:
            yield joined(run)
            run = []
        if not run:
            alone = generator.random() >= RUN_SHARE
            room = 0 if alone else generator.randint(SHORTEST_RUN, LONGEST)
        run.append(item)
        room -= len(item)
    if run:
        yield joined(run)


def respelt(item: Item, generator: random.Random) -> Item:
    """The item, now and then as if all its words were written in small letters or in capitals."""
    dice = generator.random()
    if dice >= 2 * RESPELT_SHARE:
        return item
    small = dice < RESPELT_SHARE
    shapes = [(LOWER if small else UPPER) if one in _LETTERS else one for one in item.shapes]
    return Item(item.pieces, shapes, item.allowed)
