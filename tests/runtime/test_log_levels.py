from __future__ import annotations

import asyncio
import json
import logging
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from mlmesh.runtime.log_levels import change_level, levels_page
from mlmesh.runtime.pages import ActPage, running_pages

NAME = "tests.levels.one"


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with running_pages(
        "127.0.0.1:0",
        {"/loggers": ActPage(levels_page, change_level), "/hi": lambda: (200, "text/plain", b"")},
    ) as port:
        yield port


@pytest.fixture(autouse=True)
def logger() -> Iterator[logging.Logger]:
    one = logging.getLogger(NAME)
    yield one
    one.setLevel(logging.NOTSET)


def asked(
    port: int, path: str, method: str = "POST", headers: dict[str, str] | None = None
) -> tuple[int, Any]:
    url = f"http://127.0.0.1:{port}{path}"
    request = urllib.request.Request(url, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


async def test_a_level_is_changed_and_given_back(port: int, logger: logging.Logger) -> None:
    changed = await asyncio.to_thread(asked, port, f"/loggers?logger={NAME}&level=debug")
    assert logger.level == logging.DEBUG
    shown = await asyncio.to_thread(asked, port, "/loggers", "GET")
    await asyncio.to_thread(asked, port, f"/loggers?logger={NAME}&level=inherit")

    assert changed == shown
    assert shown[1][NAME] == "debug"
    assert "root" in shown[1]
    assert logger.level == logging.NOTSET


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        (f"/loggers?logger={NAME}&level=loud", 400, "level: choose from"),
        (f"/loggers?logger={NAME}", 400, "level: choose from"),
        ("/loggers?logger=nobody.knows&level=debug", 404, "logger: no logger"),
        ("/loggers?level=inherit", 400, "level: the root"),
        ("/hi", 405, "send GET or HEAD"),
        ("/nowhere", 404, "nothing here"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    port: int, path: str, code: int, message: str
) -> None:
    status, body = await asyncio.to_thread(asked, port, path)

    assert (status, body["error"]["code"]) == (code, code)
    assert message in body["error"]["message"]
    assert "nobody.knows" not in logging.root.manager.loggerDict


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"host": "evil.example:9100"},
    ],
)
async def test_a_web_page_in_a_browser_here_cannot_change_it(
    port: int, logger: logging.Logger, headers: dict[str, str]
) -> None:
    path = f"/loggers?logger={NAME}&level=debug"

    status, _ = await asyncio.to_thread(asked, port, path, "POST", headers)

    assert status == 403
    assert logger.level == logging.NOTSET


async def test_another_machine_cannot_change_it(logger: logging.Logger) -> None:
    address = other_address()
    pages = {"/loggers": ActPage(levels_page, change_level)}
    async with running_pages("0.0.0.0:0", pages) as port:
        url = f"http://{address}:{port}/loggers?logger={NAME}&level=debug"
        request = urllib.request.Request(url, method="POST", headers={"host": f"localhost:{port}"})
        with pytest.raises(urllib.error.HTTPError) as refused:
            await asyncio.to_thread(urllib.request.urlopen, request, timeout=10)
        refused.value.close()

    assert refused.value.code == 403
    assert logger.level == logging.NOTSET


def other_address() -> str:
    """An address of this machine that is not its loopback; calls to it come from it."""
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but its loopback")
        return str(probe.getsockname()[0])
