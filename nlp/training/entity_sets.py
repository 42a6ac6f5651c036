"""Which sets the entity model learns from, and which it is judged by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nlp.training import entity_texts as texts
from nlp.training.entity_fitting import Learnt
from nlp.training.entity_texts import Sentence
from nlp.training.tags import TYPES

THREE_TYPES = tuple(kind for kind in TYPES if kind != "MISC")
TWEETS_LEARNT = "abegh"
TWEETS_VALIDATED = "f"
PASSAGE = 60
"""Words of neighbouring sentences that are read together, at most, to see what context brings."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Sentences of one set, and the types that it knows."""

    sentences: list[Sentence]
    types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EntitySets:
    learnt: list[Learnt]
    validation: Mapping[str, Judged]
    tests: Mapping[str, Judged]


def read_entity_sets(data: Path) -> EntitySets:
    """Read all sets below the folder `data`."""
    folder = data / "ner"
    wikigold_learnt, wikigold_test = texts.read_wikigold(folder)
    news_test = texts.read_news(folder, "test")
    tweets = [one for part in TWEETS_LEARNT for one in texts.read_tweets(folder, part)]
    return EntitySets(
        learnt=[
            Learnt(texts.read_news(folder, "train"), running=True),
            Learnt(wikigold_learnt, running=True),
            Learnt(texts.read_emerging(folder, "train"), running=False),
            Learnt(texts.read_emerging(folder, "dev"), running=False),
            Learnt(tweets, running=False),
            Learnt(texts.read_fine(folder, "train"), running=False),
            Learnt(texts.read_fine(folder, "dev"), running=False),
        ],
        validation={
            "conll": Judged(texts.read_news(folder, "dev"), TYPES),
            "web": Judged(texts.read_web(folder, "dev"), THREE_TYPES),
            "tweets": Judged(texts.read_tweets(folder, TWEETS_VALIDATED), THREE_TYPES),
        },
        tests={
            "conll": Judged(news_test, TYPES),
            "conll_passages": Judged(passages_of(news_test), TYPES),
            "wnut": Judged(texts.read_emerging(folder, "test"), THREE_TYPES),
            "web": Judged(texts.read_web(folder, "test"), THREE_TYPES),
            "wikigold": Judged(wikigold_test, TYPES),
        },
    )


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
