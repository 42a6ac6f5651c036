"""A colour for every class, that people with any eyes tell apart."""

from __future__ import annotations

from typing import TypeAlias

Colour: TypeAlias = tuple[int, int, int]
"""Red, green and blue, 0 to 255 each."""

BACKGROUND: Colour = (0, 0, 0)
# Okabe and Ito 2008.
_COLOURS: tuple[Colour, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)


def colour_of(thing: int) -> Colour:
    """The colour of a kind of thing, counted from 0; they come round again."""
    return _COLOURS[thing % len(_COLOURS)]


def mask_palette() -> list[int]:
    """256 colours one after another: of the background, then of every kind of thing."""
    colours = [BACKGROUND, *(colour_of(one) for one in range(255))]
    return [value for colour in colours for value in colour]
