from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from mlmesh.runtime.call import CURRENT, Call
from mlmesh.runtime.call_log import CallLog
from mlmesh.runtime.logs import JsonFormatter, TextFormatter, set_up_logs

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
CALL = Call("me", traceparent=TRACEPARENT)


class Written(io.StringIO):
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]


@pytest.fixture
def written() -> Iterator[Written]:
    """What a logger of this name writes as JSON."""
    stream = Written()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("tests.logs")
    logger.addHandler(handler)
    logger.setLevel("INFO")
    yield stream
    logger.removeHandler(handler)


logger = logging.getLogger("tests.logs")


def test_a_line_has_its_fields_and_the_call_that_it_is_about(written: Written) -> None:
    token = CURRENT.set(CALL)
    logger.warning("backend lost", extra={"services": "a"})
    CURRENT.reset(token)
    logger.info("serving", extra={"port": 1})

    first, second = written.lines()
    assert first.pop("time") <= second.pop("time")
    assert first == {
        "level": "warning",
        "logger": "tests.logs",
        "event": "backend lost",
        "request_id": "me",
        "trace_id": TRACEPARENT[3:35],
        "services": "a",
    }
    assert second == {"level": "info", "logger": "tests.logs", "event": "serving", "port": 1}


def raised(secret: str) -> Exception:
    try:
        try:
            raise KeyError(secret)
        except KeyError as error:
            raise ValueError(f"cannot do {secret}") from error
    except ValueError as error:
        return error


def test_a_traceback_of_a_call_has_frames_and_no_messages(written: Written) -> None:
    log = CallLog(logger, 10)

    log.write(logging.ERROR, "call", CALL, 0.5, raised("canary"), status="INTERNAL", reason="")
    logger.error("cannot start", exc_info=raised("port 1"))

    call, start = written.lines()
    assert (call["request_id"], call["status"], call["duration_ms"]) == ("me", "INTERNAL", 500)
    assert "reason" not in call
    assert "canary" not in json.dumps(call)
    assert call["traceback"].startswith("ValueError\n")
    assert "\nKeyError\n" in call["traceback"]
    assert "in raised" in call["traceback"]
    assert "ValueError: cannot do port 1" in start["traceback"]


async def test_what_asyncio_says_of_a_lost_task_has_no_messages(written: Written) -> None:
    told = logging.getLogger("asyncio")
    told.addHandler(logger.handlers[0])
    try:
        asyncio.get_running_loop().call_exception_handler(
            {"message": "Task exception was never retrieved", "exception": raised("canary")}
        )
    finally:
        told.removeHandler(logger.handlers[0])

    (line,) = written.lines()
    assert line["event"] == "Task exception was never retrieved"
    assert "canary" not in json.dumps(line)


def test_under_load_some_calls_are_left_out_and_counted(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("mlmesh.runtime.call_log.time.monotonic", lambda: now[0])
    log = CallLog(logger, 3)

    for _ in range(10):
        log.write(logging.INFO, "call", CALL, 0.1, status="OK")
    log.write(logging.WARNING, "call", CALL, 0.1, status="UNAVAILABLE")
    now[0] += 1
    log.write(logging.INFO, "call", CALL, 0.1, status="OK")

    lines = written.lines()
    assert [line["status"] for line in lines] == ["OK"] * 3 + ["UNAVAILABLE", "OK"]
    assert [line.get("left_out") for line in lines] == [None] * 4 + [7]


def test_a_terminal_gets_colours_and_no_controls_of_others() -> None:
    record = logging.makeLogRecord(
        {"name": "a", "levelname": "WARNING", "msg": "lost", "who": "x\x1b[2J\n", "n": [1]}
    )

    line = TextFormatter().format(record)

    assert "\x1b[33mwarning" in line
    assert "who=\x1b[0mx\\x1b[2J\\n" in line
    assert "n=\x1b[0m[1]" in line
    assert "\n" not in line


@pytest.mark.parametrize(("form", "json_lines"), [("json", True), ("text", False), ("auto", True)])
def test_where_nobody_looks_on_lines_are_json(
    form: Any, json_lines: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = Written()
    monkeypatch.setattr("sys.stderr", stream)
    root, quiet = logging.getLogger(), logging.getLogger("tests.quiet")
    kept, level = root.handlers[:], root.level
    try:
        set_up_logs("info", form, {"tests.quiet": "error"})
        quiet.info("not this")
        logging.getLogger("tests.loud").info("this")
        logging.getLogger("tests.loud").debug("nor this")
    finally:
        root.handlers[:], root.level = kept, level
        quiet.setLevel(logging.NOTSET)

    assert stream.getvalue().count("\n") == 1
    assert stream.getvalue().startswith("{") is json_lines
