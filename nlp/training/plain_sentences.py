"""Sentences that say nothing good or bad: no film review teaches what everyday facts sound like."""

from __future__ import annotations

import random
from itertools import product

from nlp.training.treebank import NEUTRAL, Labelled

_FILLINGS = {
    "time": ("at 3 pm", "tomorrow", "on Monday", "next week", "at noon", "in the morning",
             "on Friday evening", "at half past nine"),
    "place": ("the station", "the office", "the library", "the airport", "the supermarket",
              "the post office", "the town hall", "room 204"),
    "thing": ("the report", "the parcel", "the invoice", "the key", "the ticket", "the printer",
              "the manual", "the battery", "the file", "the laptop"),
    "person": ("my brother", "the manager", "Anna", "the technician", "our neighbour", "the team",
               "Mr Smith", "the customer", "a student"),
}  # fmt: skip
_PATTERNS = (
    "The meeting is {time}.",
    "The meeting starts {time} in {place}.",
    "What time does {place} open {time}?",
    "Where is {place}?",
    "Where did {person} put {thing}?",
    "{person} will be at {place} {time}.",
    "{person} is waiting at {place}.",
    "{person} works near {place}.",
    "{person} sent {thing} {time}.",
    "Please send {thing} to {person}.",
    "Please leave {thing} at {place}.",
    "Can you tell {person} that I call back {time}?",
    "Can {person} pick up {thing} {time}?",
    "{thing} is on the table.",
    "{thing} is in the second drawer.",
    "{thing} arrived {time}.",
    "{thing} costs 20 dollars.",
    "{thing} weighs two kilograms and comes in three colours.",
    "How much is {thing}?",
    "How do I get from here to {place}?",
    "Is {thing} still at {place}?",
    "Is there a bus to {place} {time}?",
    "The bus to {place} leaves {time}.",
    "The train from {place} arrives {time}.",
    "I am going to {place} {time}.",
    "I put {thing} next to the door.",
    "I bought {thing} last year.",
    "I have not opened {thing} yet.",
    "I will read {thing} {time}.",
    "We moved {thing} to {place}.",
    "We live two streets from {place}.",
    "Does {person} know where {thing} is?",
    "{person} asked for {thing}.",
    "{person} has two sisters and lives behind {place}.",
    "{place} is closed {time}.",
    "{place} is on the left side of the street.",
    "Turn right at {place}, then go straight on.",
    "The number of {thing} is 4711.",
    "Today {person} is at {place}.",
    "It is ten past four and {person} is at {place}.",
    "The file has 40 pages and {person} has a copy.",
    "{thing} has a red cover and a metal frame.",
)


def plain_sentences(count: int, seed: int) -> list[Labelled]:
    """`count` made-up neutral sentences, a mixture of statements, requests and questions."""
    everything = [
        _capitalised(pattern.format(**dict(zip(names, chosen, strict=True))))
        for pattern in _PATTERNS
        for names in [[name for name in _FILLINGS if f"{{{name}}}" in pattern]]
        for chosen in product(*(_FILLINGS[name] for name in names))
    ]
    generator = random.Random(seed)
    generator.shuffle(everything)
    return [Labelled(sentence, NEUTRAL) for sentence in everything[:count]]


def _capitalised(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
