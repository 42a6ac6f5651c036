"""Long texts as overlapping windows, for graphs that read so many pieces at once."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

OVERLAP = 32
"""Pieces that two neighbouring windows share, about."""


@dataclass(frozen=True, slots=True)
class Window:
    """Pieces start to end are read; the answer for `own_start` to `own_end` is taken from it.

    The own parts of all windows are the whole text. What lies around them is context.
    """

    start: int
    end: int
    own_start: int
    own_end: int

    @property
    def own(self) -> slice:
        """The own part within the window's pieces."""
        return slice(self.own_start - self.start, self.own_end - self.start)

    @property
    def weight(self) -> int:
        """How many pieces are its own."""
        return self.own_end - self.own_start


def windows_of(words: NDArray[np.int32], size: int, overlap: int = OVERLAP) -> list[Window]:
    """Windows of at most `size` pieces over a text.

    words: int32 [pieces], for every piece the number of its word, ascending. Windows begin and end
    between words, unless one word alone has more than `size` pieces.
    """
    pieces = len(words)
    if pieces <= size:
        return [Window(0, pieces, 0, pieces)]
    first = np.flatnonzero(np.diff(words, prepend=words[0] - 1))

    def before(piece: int) -> int:
        """The last beginning of a word at or before a piece."""
        return int(first[np.searchsorted(first, piece, side="right") - 1])

    bounds: list[tuple[int, int]] = []
    start = 0
    while True:
        end = start + size
        if end >= pieces:
            bounds.append((start, pieces))
            break
        if before(end) > start:
            end = before(end)
        bounds.append((start, end))
        following = before(max(end - overlap, 0))
        start = following if following > start else end
    cuts = [
        # A word longer than a window has no beginning in the part that two windows share.
        max(before((following + end) // 2), following)
        for (_, end), (following, _) in pairwise(bounds)
    ]
    return [
        Window(start, end, own_start, own_end)
        for (start, end), own_start, own_end in zip(
            bounds, [0, *cuts], [*cuts, pieces], strict=True
        )
        # Among long words, its neighbours may have all that it reads.
        if own_start < own_end
    ]
