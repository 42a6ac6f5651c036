"""What the shipped models say to everyday texts: right or wrong, as it is.

docs/nlp-models.md shows the misses.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.nlp.shipped import ROOT, Shipped, found_in

RIGHT = [
    ("This product is amazing!", "positive"),
    # Negation
    ("I don't like this phone.", "negative"),
    ("Not bad at all.", "positive"),
    ("I have never been happier with a purchase.", "positive"),
    ("I wouldn't recommend it to anyone.", "negative"),
    ("You can't go wrong with this one.", "positive"),
    # Both at once
    ("The food wasn't great, but the service made up for it.", "positive"),
    ("The camera is excellent but the battery is terrible.", "neutral"),
    ("The movie was too long, yet I couldn't look away.", "positive"),
    ("It's okay, nothing special.", "neutral"),
    # Capitals, emoji, misspellings
    ("THIS IS THE BEST DAY EVER", "positive"),
    ("WORST CUSTOMER SERVICE I HAVE EVER HAD", "negative"),
    ("I love it \N{SMILING FACE WITH HEART-SHAPED EYES}", "positive"),
    ("i realy enjoyd the moive", "positive"),
    ("Teh screen brok after two days", "negative"),
    ("lol that was fun :)", "positive"),
    # Questions and facts
    ("What time does the store open?", "neutral"),
    ("Can you send me the invoice?", "neutral"),
    ("Why is this so hard to use?", "negative"),
    ("The package arrived on Tuesday.", "neutral"),
    ("Water boils at 100 degrees Celsius.", "neutral"),
    ("The results of the blood test were negative.", "neutral"),
    ("My flight was cancelled and nobody told us.", "negative"),
    ("Thanks a lot for the quick reply!", "positive"),
]
WRONG = [
    # Irony
    ("Great, another delay. Just what I needed.", "positive"),
    ("Yeah, right, like that's going to work.", "positive"),
    # Nothing but emoji
    ("\N{POUTING FACE}" * 3, "neutral"),
    ("Is it any good?", "negative"),
    ("I am deaf.", "negative"),
    ("Nobody was hurt.", "positive"),
]
NAMES = [
    ("Apple Inc. is located in Cupertino, California.",
     [("Apple Inc.", "ORG"), ("Cupertino", "LOC"), ("California", "LOC")]),
    ("Barack Obama met Angela Merkel in Berlin.",
     [("Barack Obama", "PER"), ("Angela Merkel", "PER"), ("Berlin", "LOC")]),
    ("i live in new york with my friend sarah", [("new york", "LOC"), ("sarah", "PER")]),
    ("JOHN SMITH WORKS FOR GOOGLE IN LONDON",
     [("JOHN SMITH", "PER"), ("GOOGLE", "ORG"), ("LONDON", "LOC")]),
    ("Amazon opened an office near the Amazon.", [("Amazon", "ORG"), ("Amazon", "LOC")]),
    ("I watched Star Wars with Tom on Netflix.",
     [("Star Wars", "MISC"), ("Tom", "PER"), ("Netflix", "ORG")]),
    ("Microsoft's CEO Satya Nadella spoke at the U.N. in the U.S. on Monday.",
     [("Microsoft", "ORG"), ("Satya Nadella", "PER"), ("U.N.", "ORG"), ("U.S.", "LOC")]),
    ("Jean-Luc Picard and Zo\u00eb M\u00fcller live in S\u00e3o Paulo.",
     [("Jean-Luc Picard", "PER"), ("Zo\u00eb M\u00fcller", "PER"), ("S\u00e3o Paulo", "LOC")]),
    ("Nothing happened today.", []),
]  # fmt: skip
WRONG_NAMES = [
    ("May will meet April in June.", []),
    ("Toyota and Honda sell cars in the United States of America.",
     [("Toyota", "ORG"), ("Honda", "ORG"), ("United States", "LOC"), ("America", "LOC")]),
    ("@anna said #Berlin is great", [("#Berlin", "LOC")]),
]  # fmt: skip


@pytest.fixture(scope="module")
def sentiment(tmp_path_factory: pytest.TempPathFactory) -> Shipped:
    return Shipped("sentiment", "int8", tmp_path_factory.mktemp("sentiment"))


@pytest.fixture(scope="module")
def entities(tmp_path_factory: pytest.TempPathFactory) -> Shipped:
    return Shipped("entities", "int8", tmp_path_factory.mktemp("entities"))


@pytest.mark.parametrize(("text", "label"), [*RIGHT, *WRONG])
def test_what_the_sentiment_model_says(sentiment: Shipped, text: str, label: str) -> None:
    [probabilities] = sentiment.run(sentiment.batch(text))

    assert sentiment.manifest.labels[probabilities.argmax()] == label


@pytest.mark.parametrize(("text", "names"), [*NAMES, *WRONG_NAMES])
def test_what_the_entity_model_finds(
    entities: Shipped, text: str, names: list[tuple[str, str]]
) -> None:
    assert found_in(entities, text) == names


def test_the_page_shows_the_misses() -> None:
    page = Path(ROOT / "docs" / "nlp-models.md").read_text(encoding="utf-8")

    assert all(text in page for text, _ in WRONG)
