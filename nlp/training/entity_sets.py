"""Which sets the entity model learns from, and which it is judged by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nlp.training import entity_texts as texts
from nlp.training.entity_fitting import Learnt
from nlp.training.entity_tests import THREE_TYPES, Judged, read_entity_tests
from nlp.training.tags import TYPES

TWEETS_LEARNT = "abegh"
TWEETS_VALIDATED = "f"


@dataclass(frozen=True, slots=True)
class EntitySets:
    learnt: list[Learnt]
    validation: Mapping[str, Judged]
    tests: Mapping[str, Judged]


def read_entity_sets(data: Path) -> EntitySets:
    """Read all sets below the folder `data`."""
    folder = data / "ner"
    tweets = [one for part in TWEETS_LEARNT for one in texts.read_tweets(folder, part)]
    return EntitySets(
        learnt=[
            Learnt(texts.read_news(folder, "train"), running=True),
            Learnt(texts.read_wikigold(folder)[0], running=True),
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
        tests=read_entity_tests(data),
    )
