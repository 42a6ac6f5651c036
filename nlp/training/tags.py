"""The tags of entities, and how tags of other schemes are understood.

Sets differ in what they call an entity: tweets are annotated without MISC, an encyclopaedia with
forty fine types. So a word carries all tags that may be true of it, and learning only asks that
one of them is answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

TYPES = ("PER", "ORG", "LOC", "MISC")
TAGS = ("O", *(f"{place}-{kind}" for kind in TYPES for place in "BI"))
Allowed = int
"""A set of tags: bit n stands for TAGS[n]."""
ANY: Allowed = (1 << len(TAGS)) - 1
OUTSIDE: Allowed = 1
PERHAPS_MISC = "MISC?"
"""A type that the four-type scheme calls MISC or nothing."""
UNKNOWN = "?"
"""A type that the four-type scheme could call anything."""


def tag_set(*tags: str) -> Allowed:
    return sum(1 << TAGS.index(tag) for tag in set(tags))


_ANY_MISC = tag_set("O", "B-MISC", "I-MISC")


@dataclass(frozen=True, slots=True)
class Scheme:
    """How one set of data names its types."""

    types: Mapping[str, str]
    """Its names, in small letters: one of TYPES, PERHAPS_MISC or UNKNOWN."""
    knows_misc: bool
    """Whether a word without a tag cannot be MISC."""

    def allowed(self, tag: str) -> Allowed:
        """The tags that may be true where the set says `tag`; raises KeyError on a new type."""
        if tag == "O":
            return OUTSIDE if self.knows_misc else _ANY_MISC
        place, _, name = tag.partition("-")
        kind = self.types[name.lower()]
        if kind == UNKNOWN:
            return ANY
        return _ANY_MISC if kind == PERHAPS_MISC else tag_set(f"{place}-{kind}")


def continued(allowed: Allowed) -> Allowed:
    """What the second part of a word may be when `allowed` is for the first."""
    inside = allowed & OUTSIDE
    for number in range(1, len(TAGS), 2):
        if allowed & (0b11 << number):
            inside |= 0b10 << number
    return inside


def only_tag(allowed: Allowed) -> str | None:
    """The tag, when there is exactly one."""
    return TAGS[allowed.bit_length() - 1] if allowed.bit_count() == 1 else None


def begun(tags: list[str]) -> list[str]:
    """The same tags, where every entity starts with B- (some sets mark only neighbours so)."""
    return [
        f"B-{tag[2:]}"
        if tag.startswith("I-") and (place == 0 or tags[place - 1][2:] != tag[2:])
        else tag
        for place, tag in enumerate(tags)
    ]
