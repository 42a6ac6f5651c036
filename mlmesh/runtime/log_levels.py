"""The levels of loggers, read and changed while a program runs, from its own machine only."""

from __future__ import annotations

import logging
from urllib.parse import parse_qsl

import orjson

from mlmesh.runtime.errors import InvalidInput, NotFound

ROOT = "root"
INHERITED = "inherit"
LEVELS = ("debug", "info", "warning", "error", "critical")

logger = logging.getLogger(__name__)


def levels_page() -> tuple[int, str, bytes]:
    """The level of every logger that has one of its own."""
    return _json({name: one for name in _names() if (one := _level(name))})


def change_level(query: str) -> tuple[int, str, bytes]:
    """`logger=NAME&level=LEVEL`; without a logger, the root's. Raises ServingError."""
    asked = dict(parse_qsl(query, keep_blank_values=True, max_num_fields=8))
    name, level = asked.get("logger") or ROOT, asked.get("level", "")
    if level not in (*LEVELS, INHERITED):
        raise InvalidInput("level", f"choose from {', '.join((*LEVELS, INHERITED))}")
    if name not in _names():
        raise NotFound("logger: no logger of this name has been used yet")
    if name == ROOT and level == INHERITED:
        raise InvalidInput("level", "the root logger inherits from none")
    found = logging.getLogger(None if name == ROOT else name)
    found.setLevel(logging.NOTSET if level == INHERITED else level.upper())
    logger.warning("log level changed", extra={"of": name, "to": level})
    return levels_page()


def _names() -> list[str]:
    return [ROOT, *sorted(logging.root.manager.loggerDict)]


def _level(name: str) -> str:
    number = logging.getLogger(None if name == ROOT else name).level
    return logging.getLevelName(number).lower() if number else ""


def _json(body: object) -> tuple[int, str, bytes]:
    return 200, "application/json", orjson.dumps(body)
