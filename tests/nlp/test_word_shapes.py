"""How words are written."""

from __future__ import annotations

import pytest

from nlp import word_shapes as shapes
from nlp.word_shapes import shape_of, shapes_of


@pytest.mark.parametrize(
    ("word", "shape"),
    [
        ("house", shapes.LOWER),
        ("NATO", shapes.UPPER),
        ("A", shapes.SINGLE_CAPITAL),
        ("Paris", shapes.CAPITALISED),
        ("Élan", shapes.CAPITALISED),
        ("1999", shapes.DIGITS),
        ("B52", shapes.WITH_DIGITS),
        ("4th", shapes.WITH_DIGITS),
        ("iPhone", shapes.MIXED),
        ("McDonald", shapes.MIXED),
        (".", shapes.OTHER),
        ("東京", shapes.OTHER),
        ("", shapes.OTHER),
    ],
)
def test_the_shape_of_a_word(word: str, shape: int) -> None:
    assert shape_of(word) == shape


def test_every_piece_has_the_shape_of_its_whole_word() -> None:
    text = "Cupertino is 20 km away"
    words = [None, 0, 0, 0, 1, 2, 3, 4, None]
    offsets = [(0, 0), (0, 3), (3, 6), (6, 9), (10, 12), (13, 15), (16, 18), (19, 23), (0, 0)]

    found = shapes_of(text, words, offsets)

    assert found == [
        shapes.NO_WORD, *[shapes.CAPITALISED] * 3, shapes.LOWER, shapes.DIGITS, shapes.LOWER,
        shapes.LOWER, shapes.NO_WORD,
    ]  # fmt: skip


def test_shapes_fit_into_their_table() -> None:
    assert (
        max(shape_of(word) for word in ("a", "A", "AB", "Ab", "aB", "1", "a1", ".")) < shapes.SHAPES
    )
