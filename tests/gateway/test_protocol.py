from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import orjson
import pytest

from gateway.running import RunningGateway, running_gateway
from gateway.settings import GatewaySettings

BODY = b'{"features":[1,2]}'
POST = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n" % len(BODY)


@pytest.fixture
async def gateway(gateway_settings: GatewaySettings) -> AsyncIterator[RunningGateway]:
    settings = gateway_settings.model_copy(update={"max_head_bytes": 2048, "head_seconds": 0.5})
    async with running_gateway(settings) as gateway:
        yield gateway


async def conversation(gateway: RunningGateway, *pieces: bytes) -> bytes:
    """What comes back, until the gateway closes or is silent for a while after the last piece."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    answer = b""
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.05)
    try:
        async with asyncio.timeout(3):
            while chunk := await reader.read(65536):
                answer += chunk
    except (TimeoutError, ConnectionError):
        answer += b"[still open]"
    writer.close()
    return answer


def status_of(answer: bytes) -> tuple[int, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    error = orjson.loads(body)["error"]
    assert head.startswith(b"HTTP/1.1 %d " % error["code"])
    assert b"connection: close" in head
    return error["code"], error["message"]


async def test_headers_that_are_too_large_are_refused(gateway: RunningGateway) -> None:
    answer = await conversation(gateway, b"GET / HTTP/1.1\r\nx: " + b"y" * 3000)

    assert status_of(answer) == (431, "headers: larger than 2048 bytes, the most taken")


async def test_headers_in_many_pieces_are_bounded_together(gateway: RunningGateway) -> None:
    pieces = [b"GET / HTTP/1.1\r\n", *[b"x: %s\r\n" % (b"y" * 500)] * 6]

    assert status_of(await conversation(gateway, *pieces))[0] == 431


async def test_headers_that_do_not_come_are_given_up(gateway: RunningGateway) -> None:
    answer = await conversation(gateway, b"GET /health HTTP/1.1\r\nhost:")

    assert status_of(answer) == (408, "headers: they did not arrive within 0.5 s")


async def test_a_connection_that_says_nothing_is_closed(gateway: RunningGateway) -> None:
    assert await conversation(gateway) == b""


async def test_a_second_request_has_its_own_time_and_size(gateway: RunningGateway) -> None:
    get = b"GET /alive HTTP/1.1\r\nhost: x\r\nx: %s\r\n\r\n" % (b"y" * 1500)

    answer = await conversation(gateway, get, get, get, b"GET /alive HTTP/1.1\r\nhost:")

    assert answer.count(b"HTTP/1.1 200") == 3
    assert answer.count(b"HTTP/1.1 408") == 1


@pytest.mark.parametrize("token", [b"h2c", b"websocket", b"TLS/1.0"])
async def test_an_offer_to_upgrade_is_ignored_and_the_request_answered(
    gateway: RunningGateway, token: bytes
) -> None:
    """As Java's HttpClient and `curl --http2` send it."""
    upgrade = (
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: %s\r\nHTTP2-Settings: AAM\r\n" % token
    )

    answer = await conversation(gateway, POST + upgrade + b"\r\n" + BODY)

    assert b"HTTP/1.1 200" in answer
    assert b'"prediction":"a"' in answer


async def test_an_upgrade_in_the_body_is_left_alone(gateway: RunningGateway) -> None:
    body = orjson.dumps({"data": "a\r\nUpgrade: h2c\r\n"})
    head = b"POST /process HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body)

    assert b"Input logged successfully" in await conversation(gateway, head + body)


async def test_a_refusal_before_the_body_ends_the_connection(gateway: RunningGateway) -> None:
    head = b"POST /nowhere HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n"

    answer = await conversation(gateway, head)

    assert status_of(answer)[0] == 404


async def test_a_client_that_asks_first_may_send_its_body(gateway: RunningGateway) -> None:
    answer = await conversation(gateway, POST + b"expect: 100-continue\r\n\r\n", BODY)

    assert answer.startswith(b"HTTP/1.1 100 Continue")
    assert b"HTTP/1.1 200" in answer


async def test_answers_that_nobody_takes_are_not_kept(gateway_settings: GatewaySettings) -> None:
    get = b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n"
    settings = gateway_settings.model_copy(update={"answer_seconds": 0.5})
    async with running_gateway(settings) as gateway:
        one = len(await conversation(gateway, get))
        # More than the system keeps for a connection.
        count = 20 * 2**20 // one
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(get * count)
        await asyncio.sleep(2)
        taken = 0
        with suppress(ConnectionError):
            while chunk := await asyncio.wait_for(reader.read(2**20), 10):
                taken += len(chunk)
        writer.close()

    assert 0 < taken < count * one


async def test_a_client_that_takes_its_answers_gets_them_all(
    gateway_settings: GatewaySettings,
) -> None:
    get = b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n"
    settings = gateway_settings.model_copy(update={"answer_seconds": 0.5})
    async with running_gateway(settings) as gateway:
        answer = await conversation(gateway, get * 100)

    assert answer.count(b"HTTP/1.1 200") == 100
