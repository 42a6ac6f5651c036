from __future__ import annotations

import pytest

from gateway.body import parse_json
from gateway.json_text import MOST_BYTES
from mlmesh.runtime.errors import InvalidInput


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (b'{"text":"a\xff"}', "text"),
        (b'{"text":"\\ud800"}', "text"),
        (b'{"rows":[{"a":"b"},{"a":"\xc3"}]}', "rows[1].a"),
        (b'{"a":"\xff","b":"\xff"}', "a"),
        (b'{"a\xff":"b"}', "body"),
        (b'{"a\xff":"\xff"}', "body"),
        (b'"\xff"', "body"),
        (b'{"text":"\xff"', "body"),
        (b'{"text":"\xff","pad":"' + b" " * MOST_BYTES + b'"}', "body"),
        (b"[" * 30_000 + b'"\xff"' + b"]" * 30_000, "body"),
    ],
)
def test_text_that_is_no_text_is_named(raw: bytes, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_json(raw)

    assert refused.value.field == field


def test_a_long_place_is_cut() -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_json(b'{"' + b"k" * 5000 + b'":"\xff"}')

    assert len(refused.value.field) == 256
