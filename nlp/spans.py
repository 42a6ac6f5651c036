"""Parts of a text, by code points and by bytes of UTF-8."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from typing import NamedTuple

ZERO_WIDTH_JOINER = "\u200d"


class Span(NamedTuple):
    """text[start:end]"""

    start: int
    end: int


def byte_spans(content: str, spans: Iterable[Span]) -> Iterator[Span]:
    """The same spans in bytes of UTF-8. They must be in order and not overlap."""
    if content.isascii():
        yield from spans
        return
    place = at = 0
    for start, end in spans:
        first = at + len(content[place:start].encode())
        place, at = end, first + len(content[start:end].encode())
        yield Span(first, at)


def with_marks(content: str, end: int) -> int:
    """Where a span ends that must not lose the marks which belong to its last character."""
    while end < len(content) and _belongs_before(content[end]):
        end += 1
    return end


def _belongs_before(character: str) -> bool:
    if character.isascii():
        return False
    return character == ZERO_WIDTH_JOINER or unicodedata.category(character)[0] == "M"
