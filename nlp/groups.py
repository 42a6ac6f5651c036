"""Large requests in parts, so that what is read of them at once stays small."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial

from mlmesh.runtime.outcomes import Found, Outcome
from nlp.texts import Text, characters_of
from nlp.threads import LARGE_CHARACTERS

MOST_CHARACTERS = 262_144
"""Of the texts that are read together; a longer one is read alone."""
TURNS = 2
"""Large groups of about one size that are worked on at once: more would only wait for the model,
with all their pieces in memory."""

Act = Callable[[Sequence[Outcome[Text]]], Awaitable[list[Outcome[Found]]]]


class Groups:
    """Has texts worked on, few of the large ones at once whoever sends them.

    None waits for another that is more than twice as large.
    """

    def __init__(self) -> None:
        self._turns: defaultdict[int, asyncio.Semaphore] = defaultdict(
            partial(asyncio.Semaphore, TURNS)
        )

    async def ask(self, act: Act[Found], texts: Sequence[Outcome[Text]]) -> list[Outcome[Found]]:
        """What `act` finds in every text, asked for group by group."""
        found: list[Outcome[Found]] = []
        for group in groups_of(texts):
            size = (characters_of(group) // LARGE_CHARACTERS).bit_length()
            if not size:
                found += await act(group)
                continue
            async with self._turns[size]:
                found += await act(group)
        return found


def groups_of(
    texts: Sequence[Outcome[Text]], most: int = MOST_CHARACTERS
) -> Iterator[Sequence[Outcome[Text]]]:
    """The texts in order, as many at a time as have `most` characters together."""
    start = characters = 0
    for index, text in enumerate(texts):
        length = len(text.content) if isinstance(text, Text) else 0
        if index > start and characters + length > most:
            yield texts[start:index]
            start, characters = index, 0
        characters += length
    if start < len(texts):
        yield texts[start:]
