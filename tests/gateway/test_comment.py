from __future__ import annotations

from typing import Any

import pytest

from gateway.comment import Comment, comment_of

COMMENTS: list[tuple[str, Comment]] = [
    ("", Comment("", "", ())),
    (" Scores one row.\n", Comment("Scores one row", "Scores one row.", ())),
    (" Scores a row\n that is long. More.\n", Comment(
        "Scores a row that is long", "Scores a row that is long. More.", ()
    )),
    (" Describes it: all of it.\n", Comment("Describes it", "Describes it: all of it.", ())),
    (" Version 1.5 of it.\n", Comment("Version 1.5 of it", "Version 1.5 of it.", ())),
    (" One.\n\n Two.\n - a\n - b\n", Comment("One", "One.\n\nTwo.\n- a\n- b", ())),
    (" Carries.\n buf:lint:ignore X\n", Comment("Carries", "Carries.", ())),
    (' A row.\n\n Example: {"a": [1,\n   2]}\n', Comment("A row", "A row.", ({"a": [1, 2]},))),
    (' Example: {"a": 1}\n Example: [2]\n A row.\n', Comment("A row", "A row.", ({"a": 1}, [2]))),
    (" Example: not one.\n", Comment("Example", "Example: not one.", ())),
]  # fmt: skip


@pytest.mark.parametrize(("text", "comment"), COMMENTS)
def test_a_comment_is_read_as_documentation(text: str, comment: Any) -> None:
    assert comment_of(text) == comment


def test_an_example_that_is_no_json_is_refused() -> None:
    with pytest.raises(ValueError, match="Expecting"):
        comment_of(" Example: {name: 1}\n")
