"""A text with the names that were found in it, in colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.text import Text

COLOURS = {"PER": "bold magenta", "ORG": "bold cyan", "LOC": "bold green", "MISC": "bold yellow"}
OTHER = "bold blue"


@dataclass(frozen=True, slots=True)
class Mark:
    """text[start:end] is of a kind."""

    start: int
    end: int
    kind: str


def marked_parts(value: Any) -> list[Mark]:
    """The places in a list of messages that have a start, an end and a type; none in another."""
    if not isinstance(value, list):
        return []
    try:
        return [Mark(one["start"], one["end"], one["type"]) for one in value]
    except (KeyError, TypeError):
        return []


def highlighted(text: str, marks: Sequence[Mark]) -> Text:
    """The text with each mark coloured by its kind and the kind behind it."""
    shown = Text()
    place = 0
    for mark in marks:
        colour = COLOURS.get(mark.kind, OTHER)
        shown.append(text[place : mark.start])
        shown.append(text[mark.start : mark.end], colour)
        shown.append(f" {mark.kind}", f"dim {colour}")
        place = mark.end
    shown.append(text[place:])
    return shown
