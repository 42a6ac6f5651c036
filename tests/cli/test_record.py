from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from mlmesh.cli.record import Paint, readable

PLAIN = Paint(False)
FRAME = {"time": "2026-11-21T10:00:00.123456Z", "level": "info", "logger": "predictor.service"}


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def shown(record: object, paint: Paint = PLAIN) -> list[str]:
    return list(readable(json.dumps(record).encode(), paint))


def test_a_record_is_shown_as_a_sentence_with_its_fields() -> None:
    record = {**FRAME, "event": "model loaded", "model": "penguins", "classes": 3, "of": ["a", "b"]}

    assert shown(record) == [
        "10:00:00.123 INFO    model loaded "
        'model=penguins classes=3 of=["a", "b"] [predictor.service]'
    ]


def test_values_that_could_mislead_are_quoted() -> None:
    record = {**FRAME, "event": "refused", "name": "a b", "empty": "", "lines": "one\ntwo"}

    assert 'refused name="a b" empty="" lines="one\\ntwo"' in shown(record)[0]


def test_a_traceback_follows_on_lines_of_its_own() -> None:
    record = {
        **FRAME,
        "event": "call failed",
        "level": "error",
        "traceback": "Trace:\n  ValueError",
    }

    assert shown(record)[1:] == ["    Trace:", "      ValueError"]


def test_colours_are_for_those_who_ask() -> None:
    record = {**FRAME, "event": "queue full", "level": "warning"}

    assert "\x1b[33mWARNING\x1b[0m queue full" in shown(record, Paint(True))[0]
    assert "\x1b" not in shown(record)[0]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"Traceback (most recent call last):", "Traceback (most recent call last):"),
        (b'{"no": "record"}', '{"no": "record"}'),
        (b'{"event": ', '{"event": '),
        (b"[1, 2]", "[1, 2]"),
        (b"{" * 100_000, "{" * 100_000),
        (b'{"event":' + b"[" * 100_000, '{"event":' + "[" * 100_000),
        (b"\xff\xfe\ttab", "\ufffd\ufffd\ttab"),
        (b"\x1b[2J\x07\xc2\x9b", "\\x1b[2J\\x07\\x9b"),
        (b'{"event": "\\u001b[2J", "level": 5, "time": 7}', "7 5       \\x1b[2J"),
        (b'{"event": null, "time": "soon"}', "soon INFO    None"),
        (b"", ""),
    ],
)
def test_whatever_a_program_prints_is_shown_harmlessly(line: bytes, text: str) -> None:
    assert list(readable(line, PLAIN)) == [text]


@pytest.mark.parametrize("depth", range(100, 1500, 50))
def test_nesting_does_not_break_the_log(depth: int) -> None:
    line = b'{"event": "deep", "field": ' + b"[" * depth + b"]" * depth + b"}"

    assert len(list(readable(line, PLAIN))) == 1
