"""Streams in a real browser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from shutil import which

import pytest
from playwright.async_api import Page, async_playwright

from tests.gateway.counter import counting

pytestmark = pytest.mark.skipif(which("chromium") is None, reason="no chromium here")

EVENTS = """async (path) => {
  const seen = [];
  const source = new EventSource(path);
  source.onmessage = event => seen.push([event.lastEventId, JSON.parse(event.data).value]);
  source.addEventListener("error", event => {
    if (event.data) seen.push(JSON.parse(event.data).error.status);
  });
  // A browser comes back after the end of a stream, and stays away when it is told to.
  while (source.readyState != EventSource.CLOSED)
    await new Promise(done => setTimeout(done, 50));
  return seen;
}"""
SOCKET = """async ([path, kind, frames]) => {
  const socket = new WebSocket(`ws://${location.host}${path}`, [`mlmesh.v1.${kind}`]);
  socket.binaryType = "arraybuffer";
  const seen = [];
  socket.onmessage = ({data}) => seen.push(
    typeof data == "string" ? JSON.parse(data) : Array.from(new Uint8Array(data)));
  await new Promise((done, failed) => { socket.onopen = done; socket.onerror = failed; });
  for (const frame of frames)
    socket.send(typeof frame == "string" ? frame : new Uint8Array(frame));
  return await new Promise(done => { socket.onclose = ({code}) => done([code, seen]); });
}"""


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[Page]:
    """A page of the gateway's own origin."""
    async with counting(tmp_path) as (gateway, _), async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=which("chromium"), args=["--no-sandbox"]
        )
        page = await browser.new_page()
        await page.goto(f"http://127.0.0.1:{gateway.port}/alive")
        yield page
        await browser.close()


async def test_a_browser_reads_events_until_they_end(page: Page) -> None:
    whole = await asyncio.wait_for(page.evaluate(EVENTS, "/count/3"), 30)
    broken = await asyncio.wait_for(page.evaluate(EVENTS, "/count/3?fail_at=2"), 30)

    assert whole == [["1", 1], ["2", 2], ["3", 3]]
    assert broken == [["1", 1], "FAILED_PRECONDITION"]


async def test_a_browser_speaks_over_sockets(page: Page) -> None:
    text = await page.evaluate(SOCKET, ["/echo/a", "json", ['{"value":1}', '{"value":2}', ""]])
    binary = await page.evaluate(SOCKET, ["/echo", "protobuf", [[8, 5], ""]])
    wrong = await page.evaluate(SOCKET, ["/echo", "json", ["{"]])

    assert text == [1000, [{"value": 1, "text": "a"}, {"value": 2, "text": "a"}]]
    assert binary == [1000, [[8, 5]]]
    assert wrong[0] == 4003
    assert wrong[1][0]["error"]["status"] == "INVALID_ARGUMENT"
