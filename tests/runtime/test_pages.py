from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator

import pytest

from mlmesh.runtime.pages import MAX_CONNECTIONS, running_pages


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with running_pages("127.0.0.1:0", {"/hello": lambda: (200, "text/plain", b"hi")}) as port:
        yield port


def asked(port: int, path: str, method: str = "GET") -> tuple[int, bytes]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


async def test_a_page_is_answered_by_get_and_head(port: int) -> None:
    got = await asyncio.to_thread(asked, port, "/hello?x=1")
    headed = await asyncio.to_thread(asked, port, "/hello", "HEAD")

    assert (got, headed) == ((200, b"hi"), (200, b""))


@pytest.mark.parametrize(
    ("path", "method", "code"),
    [("/nowhere", "GET", 404), ("/hello", "POST", 405), ("/" + "x" * 70_000, "GET", 414)],
)
async def test_a_refusal_is_a_status_body(port: int, path: str, method: str, code: int) -> None:
    status, body = await asyncio.to_thread(asked, port, path, method)

    assert status == json.loads(body)["error"]["code"] == code


async def test_idle_connections_take_a_bounded_number_of_threads(port: int) -> None:
    writers = []
    for _ in range(MAX_CONNECTIONS + 20):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writers.append(writer)
    for writer in writers:
        writer.close()

    async with asyncio.timeout(10):
        while True:
            try:
                status, _ = await asyncio.to_thread(asked, port, "/hello")
            except (urllib.error.URLError, ConnectionError):
                await asyncio.sleep(0.1)
            else:
                break

    assert status == 200
