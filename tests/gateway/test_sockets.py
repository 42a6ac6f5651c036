"""Streams over WebSockets, with a client of another make."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from gateway.running import RunningGateway
from tests.gateway.clients import plain_client
from tests.gateway.counter import REFUSED, SILENT, Counter, counting, raw_connection

JSON = [Subprotocol("mlmesh.v1.json")]
PROTOBUF = [Subprotocol("mlmesh.v1.protobuf")]
LIMITS = {
    "max_frame_bytes": 200_000,
    "max_socket_messages": 1000,
    "socket_idle_seconds": 1,
    "max_sockets": 2,
    "origins": ["https://shop.example"],
    "routing_headers": ["x-tenant"],
}
Running = tuple[RunningGateway, Counter]


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    async with counting(tmp_path, **LIMITS) as running:
        yield running


def url_of(running: Running, path: str = "/echo") -> str:
    return f"ws://127.0.0.1:{running[0].port}{path}"


async def closed_with(socket: ClientConnection) -> tuple[int, str, list[Any]]:
    """Code and reason, and the frames that came before."""
    frames: list[Any] = []
    with suppress(ConnectionClosed):
        async with asyncio.timeout(15):
            while True:
                frames.append(await socket.recv())
    return socket.close_code or 0, socket.close_reason or "", frames


async def refusal_of(url: str, **options: Any) -> tuple[int, Any]:
    with pytest.raises(InvalidStatus) as refused:
        await connect(url, **options)
    response = refused.value.response
    return response.status_code, orjson.loads(response.body or b"")["error"]


@pytest.mark.parametrize("subprotocols", [None, JSON])
async def test_text_is_answered_with_text(running: Running, subprotocols: Any) -> None:
    async with connect(url_of(running), subprotocols=subprotocols) as socket:
        for value in range(3):
            await socket.send(f'{{"value":{value}}}')
            answer = await socket.recv()

            assert orjson.loads(answer) == {"value": value, "text": ""}
        await socket.send("")

        assert await closed_with(socket) == (1000, "", [])
        assert socket.subprotocol == (subprotocols[0] if subprotocols else None)


async def test_headers_that_decide_who_answers_are_sent_on(running: Running) -> None:
    headers = {"x-tenant": "shop", "x-other": "not sent on"}
    async with connect(url_of(running), additional_headers=headers) as socket:
        await socket.send('{"value":1}')
        await socket.recv()

    assert running[1].metadata["x-tenant"] == "shop"
    assert "x-other" not in running[1].metadata


@pytest.mark.parametrize("subprotocols", [None, PROTOBUF])
async def test_messages_are_answered_with_messages(running: Running, subprotocols: Any) -> None:
    sent = running[1].number(value=7, text="ä").SerializeToString()
    async with connect(url_of(running), subprotocols=subprotocols) as socket:
        await socket.send(sent)

        assert await socket.recv() == sent


async def test_the_path_gives_fields_of_every_message(running: Running) -> None:
    async with connect(url_of(running, "/echo/word")) as socket:
        await socket.send('{"value":1}')

        assert orjson.loads(await socket.recv()) == {"value": 1, "text": "word"}


@pytest.mark.parametrize(
    ("frames", "code", "status", "message", "answers"),
    [
        (['{"value":1}', "{"], 4003, "INVALID_ARGUMENT", "body: not valid JSON", 1),
        (['{"value":1}', '{"nope":1}'], 4003, "INVALID_ARGUMENT", "nope: no such", 1),
        (['{"value":1}', b"\x08\x01"], 4003, "INVALID_ARGUMENT", "frame: this socket takes", 1),
        ([b"\x08\x01", '{"value":1}'], 4003, "INVALID_ARGUMENT", "frame: this socket takes", 1),
        ([b"\xff"], 4003, "INVALID_ARGUMENT", "body: not a serialised counter.v1.Number", 0),
        ([f'{{"value":{REFUSED}}}'], 4011, "OUT_OF_RANGE", "value: too small", 0),
    ],
)
async def test_a_failure_is_a_last_frame_and_a_code(
    running: Running, frames: list[Any], code: int, status: str, message: str, answers: int
) -> None:
    async with connect(url_of(running)) as socket:
        for frame in frames:
            await socket.send(frame)

        told, reason, received = await closed_with(socket)

    error = orjson.loads(received[-1])["error"]
    assert (told, error["status"], len(received)) == (code, status, answers + 1)
    assert error["message"].startswith(message)
    assert reason == error["message"][:123]


async def test_frames_are_counted_by_route(running: Running) -> None:
    url = f"http://127.0.0.1:{running[0].port}/metrics"
    async with plain_client() as client, connect(url_of(running, "/echo/word")) as socket:
        for value in range(3):
            await socket.send(f'{{"value":{value}}}')
            await socket.recv()
        page = (await client.get(url)).text

    for way in ("received", "sent"):
        assert f'http_stream_msg_{way}_total{{route="/echo/{{text}}"}} 3.0' in page, page
    assert "http_open_sockets 1.0" in page


async def test_other_pages_may_not_open_sockets(running: Running) -> None:
    own = f"http://127.0.0.1:{running[0].port}"
    for origin in (None, own, "https://shop.example"):
        async with connect(url_of(running), origin=origin):  # type: ignore[arg-type]
            pass

    for foreign in ("https://evil.example", "null", "http://[", own + "1"):
        status, error = await refusal_of(url_of(running), origin=foreign)
        assert (status, error["status"]) == (403, "PERMISSION_DENIED")


@pytest.mark.parametrize(
    ("path", "options", "status", "message"),
    [
        ("/nowhere", {}, 404, "path: "),
        ("/count/3", {}, 400, "Upgrade: this path takes no WebSocket"),
        ("/predict", {}, 400, "Upgrade: this path takes no WebSocket"),
        ("/echo", {"subprotocols": ["graphql"]}, 400, "Sec-WebSocket-Protocol: offer"),
        ("/echo", {"additional_headers": {"x-request-timeout": "soon"}}, 400, "X-Request-Timeout"),
    ],
)
async def test_a_socket_that_cannot_be_is_refused_by_http(
    running: Running, path: str, options: Any, status: int, message: str
) -> None:
    told, error = await refusal_of(url_of(running, path), **options)

    assert told == error["code"] == status
    assert error["message"].startswith(message)


async def test_sockets_beyond_the_limit_are_refused(running: Running) -> None:
    async with connect(url_of(running)), connect(url_of(running)):
        status, error = await refusal_of(url_of(running))

    assert (status, error["status"]) == (503, "RESOURCE_EXHAUSTED")


async def test_a_large_frame_closes_the_socket(running: Running) -> None:
    async with connect(url_of(running)) as socket:
        await socket.send("x" * 200_001)

        assert (await closed_with(socket))[0] == 1009


async def test_messages_are_counted(running: Running) -> None:
    async def send_all(socket: ClientConnection) -> None:
        for _ in range(1001):
            await socket.send("{}")

    async with connect(url_of(running)) as socket:
        sending = asyncio.create_task(send_all(socket))
        code, reason, frames = await closed_with(socket)
        await sending

    assert (code, reason) == (4008, "messages: at most 1000 in one socket")
    assert len(frames) == 1001


async def test_a_silent_socket_is_closed(running: Running) -> None:
    async with connect(url_of(running)) as socket:
        await socket.send("{}")

        code, reason, frames = await closed_with(socket)

    assert (code, reason, len(frames)) == (4004, "socket: no message within 1 s", 2)


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (b"\x81\x03abc", 1002),  # not masked
        (b"\xf1\x80\0\0\0\0", 1002),  # reserved bits
        (b"\x83\x80\0\0\0\0", 1002),  # no such opcode
        (b"\x80\x80\0\0\0\0", 1002),  # nothing to continue
        (b"\x81\x81\0\0\0\0\xff", 1007),  # no UTF-8
        (b"\x89\xfe\0\x7e\0\0\0\0" + bytes(126), 1002),  # a ping that is too long
        (b"\x01\x80\0\0\0\0" + b"\0\x80\0\0\0\0" * 2000, 1009),  # fragments without end
    ],
)
async def test_hostile_frames_close_the_socket_and_nothing_else(
    running: Running, frames: bytes, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with raw_connection(running[0]) as (reader, writer):
        writer.write(HANDSHAKE)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        writer.write(frames)

        answer = await asyncio.wait_for(reader.read(), 15)

        assert head.startswith(b"HTTP/1.1 101")
        assert answer[:1] == b"\x88"
        assert int.from_bytes(answer[2:4], "big") == code
        assert not [record for record in caplog.records if record.exc_info]
        async with connect(url_of(running)) as socket:
            await socket.send("{}")
            await socket.recv()


HANDSHAKE = (
    b"GET /echo HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (HANDSHAKE.replace(b"13", b"8"), 400),
        (HANDSHAKE.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"short"), 400),
        (HANDSHAKE.replace(b"sec-websocket-key", b"x"), 405),
        (HANDSHAKE.replace(b"Upgrade", b"close"), 405),
        (HANDSHAKE.replace(b"websocket\r\n", b"h2c\r\n"), 405),
        (HANDSHAKE.replace(b"GET", b"PUT"), 405),
        (HANDSHAKE.replace(b"1.1", b"1.0"), 405),
        (HANDSHAKE[:60], 408),
    ],
)
async def test_what_is_no_handshake_opens_no_socket(
    tmp_path: Path, request_bytes: bytes, status: int
) -> None:
    async with (
        counting(tmp_path, head_seconds=0.5, keep_alive_seconds=1) as (gateway, _),
        raw_connection(gateway) as (reader, writer),
    ):
        writer.write(request_bytes)

        answer = await asyncio.wait_for(reader.readline(), 10)

    assert answer.startswith(b"HTTP/1.1 %d" % status)


async def test_a_handshake_may_come_in_pieces_and_after_a_request(running: Running) -> None:
    async with raw_connection(running[0]) as (reader, writer):
        for piece in (b"GET /alive HTTP/1.1\r\nhost: x\r\n\r\n", HANDSHAKE[:70], HANDSHAKE[70:]):
            writer.write(piece)
            await asyncio.sleep(0.1)

        answer = await asyncio.wait_for(reader.readuntil(b"HTTP/1.1 101"), 10)

        assert answer.startswith(b"HTTP/1.1 200")
        assert b"HTTP/1.1 101" in answer


async def test_a_handshake_behind_a_request_under_way_opens_no_socket(running: Running) -> None:
    async with raw_connection(running[0]) as (reader, writer):
        writer.write(b"GET /count/2?wait_at=2 HTTP/1.1\r\nhost: x\r\n\r\n")
        await asyncio.wait_for(running[1].waiting.wait(), 10)
        writer.write(HANDSHAKE)
        await asyncio.sleep(0.1)
        running[1].gate.set()

        answer = await asyncio.wait_for(reader.readuntil(b"HTTP/1.1 405"), 10)

        assert b"HTTP/1.1 101" not in answer


async def test_a_client_that_does_not_read_is_not_read_from(running: Running) -> None:
    counter = running[1]
    frame = orjson.dumps({"text": "x" * 100_000}).decode()

    async def send_all(socket: ClientConnection) -> None:
        for _ in range(900):
            await socket.send(frame)

    async with connect(url_of(running), max_queue=1) as socket:
        sending = asyncio.create_task(send_all(socket))
        before = -1
        while counter.heard != before:
            before = counter.heard
            await asyncio.sleep(1)

        assert 0 < counter.heard < 600
        assert not sending.done()
        for _ in range(900):
            await socket.recv()
        await sending


async def test_a_client_that_leaves_ends_the_call(running: Running) -> None:
    async with connect(url_of(running)) as socket:
        await socket.send(f'{{"value":{SILENT}}}')
        await asyncio.wait_for(running[1].waiting.wait(), 10)

    await asyncio.wait_for(running[1].cancelled.wait(), 10)


async def test_the_deadline_closes_the_socket(running: Running) -> None:
    headers = {"x-request-timeout": "0.5"}
    async with connect(url_of(running), additional_headers=headers) as socket:
        await socket.send(f'{{"value":{SILENT}}}')

        assert (await closed_with(socket))[0] == 4004


async def test_a_gateway_that_leaves_answers_what_it_has_read(tmp_path: Path) -> None:
    async with counting(tmp_path) as (gateway, _):
        socket = await connect(f"ws://127.0.0.1:{gateway.port}/echo")
        await socket.send('{"value":1}')
        await socket.recv()
        await socket.send('{"value":2}')

    code, _, frames = await closed_with(socket)
    assert code == 1001
    assert [orjson.loads(frame)["value"] for frame in frames] in ([2], [])


async def test_sockets_are_counted(running: Running) -> None:
    async with connect(url_of(running)) as socket:
        await socket.send("")
        await closed_with(socket)
    async with plain_client(base_url=f"http://127.0.0.1:{running[0].port}") as client:
        page = (await client.get("/metrics")).text

    assert 'http_requests_total{method="GET",route="/echo",status="101"} 1.0' in page
