from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from nlp.spans import Span, byte_spans, with_marks


@given(st.text(st.characters(exclude_categories=["Cs"])), st.data())
def test_spans_in_bytes_hold_the_same_text(content: str, data: st.DataObject) -> None:
    places = sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=10)))
    spans = [Span(*pair) for pair in zip(places[::2], places[1::2], strict=False)]

    found = list(byte_spans(content, spans))

    for span, (start, end) in zip(spans, found, strict=True):
        assert content.encode()[start:end].decode() == content[span.start : span.end]


@pytest.mark.parametrize(
    ("content", "end", "expected"),
    [("abc", 2, 2), ("e\u0301x", 1, 2), ("e\u0301\u0316", 1, 3), ("\u263a\ufe0f!", 1, 2),
     ("ab", 2, 2), ("\u0e01\u0e33", 1, 1), ("\u0915\u093f", 1, 2)],
)  # fmt: skip
def test_a_span_keeps_the_marks_of_its_last_character(
    content: str, end: int, expected: int
) -> None:
    assert with_marks(content, end) == expected
