"""Plain requests give the same answers on the short way as through ASGI."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from gateway.running import RunningGateway, running_gateway
from gateway.settings import GatewaySettings
from tests.gated import GatedPredictor
from tests.gateway.wire_requests import BODY, ID, JSON, LAST, REQUESTS, get, of_text, request

END = b"\r\n\r\n"
WAYS = pytest.mark.parametrize("shortcut", [True, False], ids=["short", "ASGI"])

_OWN = [
    (re.compile(rb"\r\ndate: [^\r]+"), b""),
    (re.compile(rb"x-request-id: [0-9a-f]{24}"), b"x-request-id: made"),
    (re.compile(rb'"request_id":"[0-9a-f]{24}"'), b'"request_id":"made"'),
    (re.compile(rb"(\"[a-z_]*_ms\"|\"uptime_seconds\"):[0-9.e-]+"), rb"\1:0"),
    (re.compile(rb"dur=[0-9.]+"), b"dur=n"),
    (re.compile(rb"content-length: [0-9]+"), b"content-length: n"),
    (re.compile(rb"retry-after: [12]\r"), b"retry-after: s\r"),
    (re.compile(rb'"retry_delay":"[0-9.]+s"'), b'"retry_delay":"s"'),
]
"""What differs between two answers to the same request."""


@dataclass(frozen=True, slots=True)
class Ways:
    short: RunningGateway
    asgi: RunningGateway


@asynccontextmanager
async def both(settings: GatewaySettings) -> AsyncIterator[Ways]:
    by_asgi = settings.model_copy(update={"shortcut": False})
    async with running_gateway(settings) as short, running_gateway(by_asgi) as asgi:
        yield Ways(short, asgi)


@pytest.fixture
async def ways(gateway_settings: GatewaySettings) -> AsyncIterator[Ways]:
    settings = gateway_settings.model_copy(update={"max_body_bytes": 4096})
    async with both(settings) as ways:
        for gateway in (ways.short, ways.asgi):
            await asyncio.wait_for(gateway.probes.directory.complete.wait(), 10)
        yield ways


async def answer_to(gateway: RunningGateway, *pieces: bytes) -> bytes:
    """All that comes back until the gateway closes, without what differs every time."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    for piece in pieces:
        writer.write(piece)
        # Every piece is to be read alone.
        await asyncio.sleep(0)
    answer = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    return normal(answer)


def normal(answer: bytes) -> bytes:
    for pattern, same in _OWN:
        answer = pattern.sub(same, answer)
    return answer


@pytest.mark.parametrize("name", list(REQUESTS))
async def test_a_request_has_the_same_answer_on_both_ways(ways: Ways, name: str) -> None:
    short = await answer_to(ways.short, REQUESTS[name] + LAST)
    asgi = await answer_to(ways.asgi, REQUESTS[name] + LAST)
    again = await answer_to(ways.short, REQUESTS[name], LAST)

    assert short == again == asgi
    assert short.startswith(b"HTTP/1.1 ")


async def test_a_head_that_comes_again_has_the_body_that_comes_with_it(ways: Ways) -> None:
    bodies = [b'{"features":[1,2]}', b'{"features":[2,1]}', b'{"feature":"[1,2]}', BODY, b" " * 18]
    sent = [request(b"/predict", JSON, body=body) for body in bodies]
    sent += [sent[0] + sent[1], sent[0][:-3], sent[0][-3:], *sent]

    short = await conversation(ways.short, sent)
    asgi = await conversation(ways.asgi, sent)

    assert short == asgi
    assert [answer[:12] for answer in short[:3]] == [b"HTTP/1.1 200"] * 2 + [b"HTTP/1.1 400"]


async def conversation(gateway: RunningGateway, sent: list[bytes]) -> list[bytes]:
    """The answers on one connection, each of which is waited for if it is whole."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    answers = []
    waiting = b""
    for piece in sent:
        writer.write(piece)
        waiting += piece
        while (head := waiting.find(END)) >= 0 and len(waiting) >= head + 4 + len(BODY):
            waiting = waiting[head + 4 + len(BODY) :]
            text = await asyncio.wait_for(reader.readuntil(END), 10)
            body = await reader.readexactly(int(text.partition(b"content-length: ")[2].split()[0]))
            answers.append(normal(text + body))
    writer.close()
    return answers


SPLIT = ["plain", "get with a query", "no JSON", "nowhere", "in chunks", "twice"]


@pytest.mark.parametrize("name", SPLIT)
async def test_it_does_not_matter_where_a_request_is_split(ways: Ways, name: str) -> None:
    sent = REQUESTS[name] + LAST
    whole = await answer_to(ways.asgi, sent)

    parts = [(sent[:end], sent[end:]) for end in range(1, len(REQUESTS[name]))]
    for begin in range(0, len(parts), 64):
        some = parts[begin : begin + 64]
        answers = await asyncio.gather(*(answer_to(ways.short, *part) for part in some))
        assert set(answers) == {whole}
    assert await answer_to(ways.short, *(sent[at : at + 1] for at in range(len(sent)))) == whole


async def test_both_ways_count_the_same(ways: Ways) -> None:
    for name in ("plain", "nowhere", "no JSON", "get one", "too large", "of HTTP/1.0", "twice"):
        for gateway in (ways.short, ways.asgi):
            await answer_to(gateway, REQUESTS[name] + LAST)

    short, asgi = [await counts(gateway) for gateway in (ways.short, ways.asgi)]

    assert short == asgi
    assert 'http_requests_total{method="POST",route="/predict",status="400"} 1.0' in short


async def counts(gateway: RunningGateway) -> list[str]:
    page = (await answer_to(gateway, get(b"/metrics", b"connection: close"))).decode()
    counted = (
        "http_requests_total{",
        "http_requests_refused_total{",
        "http_request_duration_seconds_count{",
    )
    return sorted(line for line in page.splitlines() if line.startswith(counted))


async def test_a_large_answer_is_the_same_on_both_ways(gateway_settings: GatewaySettings) -> None:
    rows = b",".join([BODY] * 3000)
    batch = request(b"/predict/batch", JSON, body=b'{"rows":[' + rows + b"]}")
    async with both(gateway_settings) as ways:
        short = await answer_to(ways.short, batch + LAST)
        asgi = await answer_to(ways.asgi, batch + LAST)

    assert short == asgi
    assert len(short) > 65_536


async def test_requests_beyond_the_limit_are_refused_alike(
    gated_settings: GatewaySettings, gated: GatedPredictor
) -> None:
    settings = gated_settings.model_copy(update={"max_concurrent_requests": 1})
    async with both(settings) as ways:
        refusals = []
        for gateway in (ways.short, ways.asgi):
            _, held = await asyncio.open_connection("127.0.0.1", gateway.port)
            held.write(request(b"/predict"))
            await gated.has_begun()
            refusals.append(await answer_to(gateway, request(b"/predict") + LAST))
            held.close()

    assert refusals[0] == refusals[1]
    assert b"requests: 1 are under way already" in refusals[0]


async def test_bodies_beyond_the_limit_are_refused_alike(
    gated_settings: GatewaySettings, gated: GatedPredictor
) -> None:
    settings = gated_settings.model_copy(update={"max_concurrent_body_bytes": 1500})
    large = of_text(b"{}" + b" " * 1000)
    async with both(settings) as ways:
        refusals = []
        for gateway in (ways.short, ways.asgi):
            _, held = await asyncio.open_connection("127.0.0.1", gateway.port)
            held.write(large)
            await gated.has_begun()
            refusals.append(await answer_to(gateway, large + LAST))
            held.close()

    assert refusals[0] == refusals[1]
    assert refusals[0].startswith(b"HTTP/1.1 503")


async def test_a_service_that_is_away_is_told_alike(gateway_settings: GatewaySettings) -> None:
    nowhere = {"mlmesh.v1.PredictorService": "127.0.0.1:1"}
    async with both(gateway_settings.model_copy(update={"backends": nowhere})) as ways:
        asked = request(b"/predict", ID, b"x-request-timeout: 5")
        short = await answer_to(ways.short, asked + LAST)
        asgi = await answer_to(ways.asgi, asked + LAST)

    assert short == asgi
    assert short.startswith(b"HTTP/1.1 503")


@WAYS
async def test_a_body_that_does_not_come_is_given_up(
    gateway_settings: GatewaySettings, shortcut: bool
) -> None:
    update = {"body_seconds": 0.3, "shortcut": shortcut}
    async with running_gateway(gateway_settings.model_copy(update=update)) as gateway:
        answer = await answer_to(gateway, request(b"/predict", JSON)[:-1])

    assert answer.startswith(b"HTTP/1.1 504")
    assert b"connection: close" in answer
    assert b"body: it did not arrive within 0.3 s" in answer


@WAYS
async def test_a_client_that_leaves_ends_its_call_and_is_counted(
    gated_settings: GatewaySettings, gated: GatedPredictor, shortcut: bool
) -> None:
    settings = gated_settings.model_copy(update={"shortcut": shortcut})
    async with running_gateway(settings) as gateway:
        _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(request(b"/predict"))
        await gated.has_begun()

        writer.close()

        await asyncio.wait_for(gated.cancelled.wait(), 10)
        assert (
            'http_requests_total{method="POST",route="/predict",status="499"} 1.0'
            in await counts(gateway)
        )


@WAYS
async def test_what_is_under_way_when_the_drain_begins_is_answered_as_the_last(
    gated_settings: GatewaySettings, gated: GatedPredictor, shortcut: bool
) -> None:
    settings = gated_settings.model_copy(update={"shortcut": shortcut, "drain_seconds": 20})
    ended = asyncio.Event()
    started: asyncio.Queue[RunningGateway] = asyncio.Queue()
    leaving = asyncio.create_task(leave_when(ended, settings, started))
    gateway = await started.get()
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(request(b"/predict", ID))
    await gated.has_begun()
    idle, idle_writer = await asyncio.open_connection("127.0.0.1", gateway.port)

    ended.set()
    assert await asyncio.wait_for(idle.read(), 10) == b""
    gated.gate.set()

    answer = await asyncio.wait_for(reader.read(), 10)
    await asyncio.wait_for(leaving, 20)
    writer.close()
    idle_writer.close()
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in answer


@WAYS
async def test_what_is_under_way_when_the_drain_is_over_is_refused(
    gated_settings: GatewaySettings, gated: GatedPredictor, shortcut: bool
) -> None:
    settings = gated_settings.model_copy(update={"shortcut": shortcut, "drain_seconds": 1})
    ended = asyncio.Event()
    started: asyncio.Queue[RunningGateway] = asyncio.Queue()
    leaving = asyncio.create_task(leave_when(ended, settings, started))
    gateway = await started.get()
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(request(b"/predict", ID))
    await gated.has_begun()

    ended.set()

    answer = await asyncio.wait_for(reader.read(), 20)
    await asyncio.wait_for(leaving, 20)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 503 Service Unavailable")
    assert b"connection: close" in answer
    error = orjson.loads(answer.partition(b"\r\n\r\n")[2])["error"]
    assert error["message"] == "the gateway is shutting down, try again"


async def leave_when(
    ended: asyncio.Event, settings: GatewaySettings, started: asyncio.Queue[RunningGateway]
) -> None:
    async with running_gateway(settings) as gateway:
        await started.put(gateway)
        await ended.wait()


@WAYS
async def test_answers_that_nobody_takes_wait_and_then_come_in_order(
    gateway_settings: GatewaySettings, shortcut: bool
) -> None:
    """More than the system keeps for a connection, asked for one by one without reading."""
    rows = b",".join([BODY] * 3000)
    batch = request(b"/predict/batch", JSON, body=b'{"rows":[' + rows + b"]}")
    count = 40
    settings = gateway_settings.model_copy(update={"shortcut": shortcut})
    async with running_gateway(settings) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port, limit=2**12)
        for _ in range(count):
            writer.write(batch)
            await asyncio.sleep(0.02)
        writer.write(LAST)
        answer = await asyncio.wait_for(reader.read(), 60)
        writer.close()

    assert answer.count(b"HTTP/1.1 200 OK") == count + 1


async def test_an_idle_connection_is_closed(gateway_settings: GatewaySettings) -> None:
    settings = gateway_settings.model_copy(update={"keep_alive_seconds": 1})
    async with running_gateway(settings) as gateway:
        answer = await answer_to(gateway, request(b"/predict", ID))

    assert answer.startswith(b"HTTP/1.1 200")


async def test_plain_requests_do_not_reach_asgi(
    gateway_settings: GatewaySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> None:
        raise AssertionError("reached ASGI")

    monkeypatch.setattr("gateway.app.Gateway._answer", broken)
    async with running_gateway(gateway_settings) as gateway:
        last = b"connection: close"
        answers = [
            await answer_to(gateway, request(b"/predict", JSON, last)),
            await answer_to(gateway, request(b"/v1/models/tiny:predict", JSON, last)),
            await answer_to(gateway, get(b"/v1/models", last)),
        ]

    assert [answer[:12] for answer in answers] == [b"HTTP/1.1 200"] * 3
