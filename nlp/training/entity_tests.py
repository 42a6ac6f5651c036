"""What the entity model is judged by, and never learns from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nlp.training import entity_texts as texts
from nlp.training.entity_texts import Sentence
from nlp.training.tags import TYPES

THREE_TYPES = tuple(kind for kind in TYPES if kind != "MISC")
PASSAGE = 60
"""Words of neighbouring sentences that are read together, at most, to see what context brings."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Sentences of one set, and the types that it knows."""

    sentences: list[Sentence]
    types: tuple[str, ...]


def read_entity_tests(data: Path) -> dict[str, Judged]:
    """The sets below the folder `data`, by the names that their figures begin with."""
    folder = data / "ner"
    news = texts.read_news(folder, "test")
    return {
        "conll": Judged(news, TYPES),
        "conll_passages": Judged(passages_of(news), TYPES),
        "wnut": Judged(texts.read_emerging(folder, "test"), THREE_TYPES),
        "web": Judged(texts.read_web(folder, "test"), THREE_TYPES),
        "wikigold": Judged(texts.read_wikigold(folder)[1], TYPES),
    }


def passages_of(sentences: Sequence[Sentence]) -> list[Sentence]:
    """Neighbouring sentences as one."""
    passages: list[Sentence] = []
    for one in sentences:
        last = passages[-1] if passages else None
        if last is None or len(last.words) + len(one.words) > PASSAGE:
            passages.append(one)
        else:
            passages[-1] = Sentence(last.words + one.words, last.allowed + one.allowed)
    return passages
