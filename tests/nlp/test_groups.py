from __future__ import annotations

from hypothesis import given, strategies as st

from mlmesh.runtime.errors import InvalidInput
from nlp.groups import groups_of
from nlp.outcomes import Outcome
from nlp.texts import Text


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
