"""Program logs: events with fields, as JSON lines, or coloured for people on a terminal.

What callers send never gets into them. Tracebacks of what failed in a call have no messages, for
those may repeat an input; neither have those of asyncio, gRPC and uvicorn, which do not say whose
they are.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal

import orjson

from mlmesh.runtime.call import CURRENT

Format = Literal["auto", "json", "text"]

MOST_CAUSES = 8
"""Exceptions of one traceback."""
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_OF_OTHERS = ("asyncio", "grpc", "uvicorn")
_COLOURS = {"debug": "2", "info": "32", "warning": "33", "error": "31", "critical": "31;1"}


class JsonFormatter(logging.Formatter):
    """time, level, logger, event, then request_id, trace_id and the record's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        fields = _fields(record)
        return orjson.dumps(fields, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


class TextFormatter(logging.Formatter):
    """The same for people; nothing that a field holds reaches the terminal as a control."""

    def format(self, record: logging.LogRecord) -> str:
        fields = _fields(record)
        at, level, event = (str(fields.pop(name)) for name in ("time", "level", "event"))
        frames = str(fields.pop("traceback", ""))
        said = " ".join(f"\x1b[2m{name}=\x1b[0m{_plain(value)}" for name, value in fields.items())
        line = f"{at[11:23]} \x1b[{_COLOURS[level]}m{level:7}\x1b[0m {_plain(event)} {said}"
        return "\n".join([line, *map(_plain, frames.splitlines())])


def set_up_logs(level: str, form: Format = "json", levels: Mapping[str, str] | None = None) -> None:
    """Send every logger's records of `level` and above to stderr.

    form: auto is text on a terminal and JSON elsewhere. levels: of single loggers, by name.
    """
    handler = logging.StreamHandler(sys.stderr)
    text = form == "text" or (form == "auto" and sys.stderr.isatty())
    handler.setFormatter(TextFormatter() if text else JsonFormatter())
    handler.addFilter(_is_news)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name, own in (levels or {}).items():
        logging.getLogger(name).setLevel(own.upper())


def _fields(record: logging.LogRecord) -> dict[str, object]:
    foreign = record.name.startswith(_OF_OTHERS)
    message = record.getMessage()
    fields: dict[str, object] = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
        # asyncio shows the task below, with what it raised.
        "event": message.partition("\n")[0] if foreign else message,
    }
    call = CURRENT.get()
    if call is not None:
        fields["request_id"] = call.request_id
        fields["trace_id"] = call.traceparent[3:35]
    fields.update((k, v) for k, v in vars(record).items() if k not in _STANDARD)
    if record.exc_info and record.exc_info[1] is not None:
        secret = foreign or "request_id" in fields
        fields["traceback"] = "\n".join(_told(record.exc_info[1], secret))
    return fields


def _told(error: BaseException, secret: bool) -> Iterator[str]:
    """What was raised, and where, the first cause last. secret: without messages."""
    found: BaseException | None = error
    for _ in range(MOST_CAUSES):
        if found is None:
            return
        yield type(found).__name__ if secret else f"{type(found).__name__}: {found}"
        yield from _frames(found.__traceback__)
        hidden = found.__suppress_context__
        found = found.__cause__ or (None if hidden else found.__context__)


def _frames(trace: TracebackType | None) -> Iterator[str]:
    for frame in traceback.extract_tb(trace):
        yield f'  File "{frame.filename}", line {frame.lineno}, in {frame.name}'
        if frame.line:
            yield f"    {frame.line}"


def _plain(value: object) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def _is_news(record: logging.LogRecord) -> bool:
    """gRPC logs a traceback when a caller hangs up while it is being written to."""
    error = record.exc_info[1] if record.exc_info else None
    return type(error).__name__ != "ExecuteBatchError"
