"""A program's log line, made readable.

Programs log one JSON object a line: time, level, logger, event, then fields, and a traceback when
there is one. Anything else that they print is shown as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

DIM = "2"
LEVEL_STYLES = {"WARNING": "33", "ERROR": "31", "CRITICAL": "1;31"}
FRAME = ("time", "level", "logger", "event", "traceback")
# What a program prints must not move the cursor or recolour the user's terminal.
CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if code != 0x09}


@dataclass(frozen=True, slots=True)
class Paint:
    """Colours text where the output takes colours."""

    enabled: bool

    def __call__(self, text: str, style: str | None) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self.enabled and style else text


def readable(line: bytes, paint: Paint) -> Iterator[str]:
    """The line as one or, with a traceback, more lines of text without control characters."""
    text = line.decode(errors="replace")
    record = _record_of(text)
    if record is None:
        yield _plain(text)
    else:
        yield from describe(record, paint)


def describe(record: Mapping[str, Any], paint: Paint) -> Iterator[str]:
    """A log record as lines of text."""
    level = _plain(record.get("level", "info")).upper()
    words = [
        paint(_clock(record.get("time")), DIM),
        paint(f"{level:<7}", LEVEL_STYLES.get(level)),
        _plain(record["event"]),
    ]
    fields = [f"{_plain(key)}={_value(record[key])}" for key in record if key not in FRAME]
    words += [paint(" ".join(fields), DIM)] if fields else []
    words += [paint(f"[{_plain(record['logger'])}]", DIM)] if record.get("logger") else []
    yield " ".join(words)
    for line in str(record.get("traceback") or "").splitlines():
        yield f"    {_plain(line)}"


def _record_of(text: str) -> dict[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and "event" in record else None


def _clock(time: Any) -> str:
    """The time of day, local, to the millisecond."""
    try:
        moment = datetime.fromisoformat(time).astimezone()
    except (TypeError, ValueError, OverflowError):
        return _plain(time or "")
    return moment.isoformat(timespec="milliseconds")[11:23]


def _value(value: Any) -> str:
    if isinstance(value, str) and value and not any(mark in value for mark in ' "=\n'):
        return _plain(value)
    return _plain(json.dumps(value, ensure_ascii=False))


def _plain(text: Any) -> str:
    return str(text).translate(CONTROLS)
