"""Streams of answers over HTTP: as lines and as events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from gateway.running import RunningGateway
from tests.gateway.clients import plain_client
from tests.gateway.counter import Counter, counting, raw_connection

EVENTS = {"accept": "text/event-stream"}
Running = tuple[RunningGateway, Counter]


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    async with counting(tmp_path, heartbeat_seconds=0.1) as running:
        yield running


@pytest.fixture
async def http(running: Running) -> AsyncIterator[httpx.AsyncClient]:
    url = f"http://127.0.0.1:{running[0].port}"
    async with plain_client(base_url=url, timeout=20) as client:
        yield client


def events_of(body: str) -> list[dict[str, Any]]:
    """What EventSource would make of a body."""
    events = []
    for block in body.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
        if "data" in fields:
            events.append({**fields, "data": orjson.loads(fields["data"])})
    return events


async def test_a_stream_is_lines_unless_events_are_asked_for(http: httpx.AsyncClient) -> None:
    for accept in ("*/*", "application/json", "application/x-ndjson", "text/html"):
        response = await http.get("/count/2", headers={"accept": accept})

        assert response.headers["content-type"] == "application/x-ndjson"
        assert [orjson.loads(line)["value"] for line in response.content.splitlines()] == [1, 2]


async def test_events_have_ids_and_an_end(http: httpx.AsyncClient) -> None:
    response = await http.get("/count/2?size=3", headers=EVENTS)

    assert response.headers["content-type"] == "text/event-stream"
    assert response.headers["cache-control"] == "no-store"
    assert events_of(response.text) == [
        {"id": "1", "data": {"value": 1, "text": "xxx"}},
        {"id": "2", "data": {"value": 2, "text": "xxx"}},
        {"event": "end", "id": "end", "data": {}},
    ]


async def test_line_breaks_in_a_message_stay_in_its_event(http: httpx.AsyncClient) -> None:
    text = "a\n\ndata: b\r\nevent: c\u2028\r"

    response = await http.post("/echo", json={"text": text}, headers=EVENTS)

    first, _ = events_of(response.text)
    assert first["data"]["text"] == text


async def test_a_failure_in_the_middle_is_the_last_message(http: httpx.AsyncClient) -> None:
    lines = (await http.get("/count/5?fail_at=2")).content.splitlines()
    events = events_of((await http.get("/count/5?fail_at=2", headers=EVENTS)).text)

    for last in (orjson.loads(lines[-1]), events[-1]["data"]):
        assert last["error"]["status"] == "FAILED_PRECONDITION"
        assert last["error"]["message"] == "no 2"
    assert (len(lines), len(events)) == (2, 2)
    assert (events[-1]["event"], events[-1]["id"]) == ("error", "end")


async def test_a_failure_before_anything_is_an_answer_of_its_own(http: httpx.AsyncClient) -> None:
    for headers in ({}, EVENTS):
        response = await http.get("/count/5?fail_at=1", headers=headers)

        assert response.status_code == 400
        assert response.json()["error"]["status"] == "FAILED_PRECONDITION"


async def test_a_browser_that_has_seen_the_end_is_told_to_stay_away(
    http: httpx.AsyncClient,
) -> None:
    response = await http.get("/count/5", headers={**EVENTS, "last-event-id": "end"})

    assert (response.status_code, response.content) == (204, b"")


async def test_a_silent_stream_shows_that_it_lives(
    http: httpx.AsyncClient, running: Running
) -> None:
    async with http.stream("GET", "/count/2?wait_at=1", headers=EVENTS) as response:
        lines = response.aiter_lines()
        beats = [await anext(lines) for _ in range(4)]
        running[1].gate.set()
        rest = [line async for line in lines]

    assert beats == [":", "", ":", ""]
    assert "id: 2" in rest


async def test_a_stream_takes_what_any_method_takes(http: httpx.AsyncClient) -> None:
    posted = await http.post("/count", json={"to": 2})
    wrong = await http.get("/count/many")
    added = await http.post("/add", content=b'{"value":1}\n{"value":2}')
    message = await http.post(
        "/add", content=b'{"value":1}', headers={"accept": "application/x-protobuf"}
    )

    assert len(posted.content.splitlines()) == 2
    assert wrong.json()["error"]["message"].startswith("to: ")
    assert (added.headers["content-type"], added.json()["value"]) == ("application/json", 3)
    assert message.content == b"\x08\x01"


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_packed_stream_can_be_read_as_it_comes(
    http: httpx.AsyncClient, running: Running, encoding: str
) -> None:
    headers = {"accept-encoding": encoding}
    async with http.stream("GET", "/count/3?wait_at=3", headers=headers) as response:
        lines = response.aiter_lines()
        first = [orjson.loads(await anext(lines))["value"] for _ in range(2)]
        running[1].gate.set()
        rest = [orjson.loads(line)["value"] async for line in lines]

    assert response.headers["content-encoding"] == encoding
    assert (first, rest) == ([1, 2], [3])


@pytest.mark.parametrize("accept", ["*/*", "text/event-stream"])
async def test_a_client_that_leaves_ends_the_stream(running: Running, accept: str) -> None:
    gateway, counter = running
    async with raw_connection(gateway) as (_, writer):
        head = f"GET /count/9?wait_at=2 HTTP/1.1\r\nhost: x\r\naccept: {accept}\r\n\r\n"
        writer.write(head.encode())
        await asyncio.wait_for(counter.waiting.wait(), 10)

        writer.close()

        await asyncio.wait_for(counter.cancelled.wait(), 10)


async def test_a_client_that_does_not_read_holds_the_backend(running: Running) -> None:
    gateway, counter = running
    async with raw_connection(gateway) as (_, writer):
        writer.write(b"GET /count/2000?size=100000 HTTP/1.1\r\nhost: x\r\n\r\n")
        before = -1
        while counter.sent != before:
            before = counter.sent
            await asyncio.sleep(1)

        # 200 MB are not what the systems between them keep.
        assert 0 < counter.sent < 1000


async def test_messages_are_counted_by_route(http: httpx.AsyncClient) -> None:
    await http.get("/count/5?fail_at=4")
    await http.get("/count/2", headers=EVENTS)
    await http.post("/add", content=b'{"value":1}\n{"value":2}')
    page = (await http.get("/metrics")).text

    for route, received, sent in (("/count/{to}", 2, 5), ("/add", 2, 1)):
        assert f'http_stream_msg_received_total{{route="{route}"}} {received}.0' in page, page
        assert f'http_stream_msg_sent_total{{route="{route}"}} {sent}.0' in page, page


async def test_the_connection_goes_on_after_a_stream(http: httpx.AsyncClient) -> None:
    for path in ("/count/2", "/count/5?fail_at=2", "/count/5?fail_at=1", "/alive"):
        response = await http.get(path)

        assert response.headers.get("connection") != "close"
    assert (await http.head("/count/2")).content == b""


async def test_an_old_client_gets_a_stream_that_ends_with_its_connection(running: Running) -> None:
    async with raw_connection(running[0]) as (reader, writer):
        writer.write(b"GET /count/2 HTTP/1.0\r\nhost: x\r\n\r\n")

        answer = await asyncio.wait_for(reader.read(), 10)

        head, _, body = answer.partition(b"\r\n\r\n")
        assert b"connection: close" in head
        assert b'"value":2' in body
