"""Program logs: one JSON object a line, events with fields, the request's id on each."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime

import orjson

from mlmesh.runtime.call import CURRENT

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """time, level, logger, event, then request_id and the record's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        if (call := CURRENT.get()) is not None:
            fields["request_id"] = call.request_id
            fields["trace_id"] = call.traceparent[3:35]
        fields.update((k, v) for k, v in vars(record).items() if k not in _STANDARD)
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(fields, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def _is_news(record: logging.LogRecord) -> bool:
    """gRPC logs a traceback when a caller hangs up while it is being written to."""
    error = record.exc_info[1] if record.exc_info else None
    return type(error).__name__ != "ExecuteBatchError"


def set_up_logs(level: str) -> None:
    """Send every logger's records of `level` and above to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(_is_news)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
