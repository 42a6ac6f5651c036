from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hypothesis import given, strategies as st

from mlmesh.runtime.errors import InvalidInput
from mlmesh.runtime.outcomes import Outcome
from nlp.groups import TURNS, Groups, groups_of
from nlp.texts import Text, characters_of
from nlp.threads import LARGE_CHARACTERS


def texts(*lengths: int) -> list[Outcome[Text]]:
    return [Text("text", "x" * length) for length in lengths]


def test_as_many_texts_are_read_together_as_there_is_room_for() -> None:
    groups = groups_of(texts(4, 5, 2, 30, 1, 9), most=10)

    assert [len(group) for group in groups] == [2, 1, 1, 2]


def test_what_failed_already_takes_no_room() -> None:
    failed: list[Outcome[Text]] = [InvalidInput("text", "is empty")]

    assert [len(group) for group in groups_of(failed * 100 + texts(10), most=10)] == [101]


@given(st.lists(st.integers(0, 30)))
def test_every_text_is_in_one_group_in_order(lengths: list[int]) -> None:
    every = texts(*lengths)

    assert [one for group in groups_of(every, most=10) for one in group] == every


async def test_few_large_texts_are_worked_on_at_once_and_keep_no_smaller_ones_waiting() -> None:
    groups, go_on = Groups(), asyncio.Event()
    began: list[int] = []

    async def work(group: Sequence[Outcome[Text]]) -> list[Outcome[int]]:
        began.append(characters_of(group))
        await go_on.wait()
        return [characters_of(group)]

    sizes = [8 * LARGE_CHARACTERS] * 5 + [2 * LARGE_CHARACTERS, LARGE_CHARACTERS - 1]
    waiting = [asyncio.create_task(groups.ask(work, texts(size))) for size in sizes]
    for _ in range(5):
        await asyncio.sleep(0)

    assert began == [sizes[0]] * TURNS + sizes[5:]
    go_on.set()
    assert await asyncio.gather(*waiting) == [[size] for size in sizes]
