from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, strategies as st

from gateway.open_inference.json_text import object_of, optional_object_of
from mlmesh.runtime.errors import InvalidInput

NAMES = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


@given(
    texts=st.lists(st.text() | st.sampled_from(["NaN", 'a "NaN" \\', "-Infinity,"])),
    numbers=st.lists(st.floats()),
)
def test_bare_numbers_that_json_does_not_have_are_read_as_strings(
    texts: list[str], numbers: list[float]
) -> None:
    raw = json.dumps({"texts": texts, "numbers": [*numbers, math.nan]}).encode()

    value = object_of(raw)

    assert value["texts"] == texts
    read = [NAMES.get(number, number) for number in value["numbers"]]
    assert list(map(repr, read)) == list(map(repr, [*numbers, math.nan]))


@pytest.mark.parametrize(
    "raw", [b'{"a":NaNs}', b'{"a":"NaN}', b'{"a":+Infinity}', b"NaN", b'{"a":NaN', b'"\\ud800NaN"']
)
def test_what_is_no_json_in_any_dialect_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"^body: "):
        object_of(raw)


@pytest.mark.parametrize(("raw", "value"), [(b"", {}), (b" \n", {}), (b'{"a":1}', {"a": 1})])
def test_an_optional_body_may_be_empty(raw: bytes, value: Any) -> None:
    assert optional_object_of(raw) == value
