"""The mix is put at its rate, whatever the server does."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from bench.comparison.load import Seen
from bench.mix import figures, missed, sent

ROOT = Path(__file__).parents[2]
RATE, SECONDS = 50.0, 0.4


async def test_requests_behind_a_stall_are_charged_for_it() -> None:
    asked = 0
    all_asked = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().partition(b"content-length:")[2]))
        asked += 1
        if asked == RATE * SECONDS:
            all_asked.set()
        # Nobody is answered before the last one was due.
        await all_asked.wait()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, limit=2**20)
    async with server:
        port = server.sockets[0].getsockname()[1]
        answers = await asyncio.wait_for(sent(f"127.0.0.1:{port}", RATE, SECONDS), 20)

    latencies = [one.latency_ms for one in answers]
    assert len(answers) == RATE * SECONDS
    assert all(one.good for one in answers)
    assert max(latencies) >= 1000 * (SECONDS - 1 / RATE)
    assert figures(answers, SECONDS)["all"].requests == RATE * SECONDS


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (Seen(10_000, 60, 49, 99, 149, 9), []),
        (Seen(10_000, 60, 50, 99, 149, 0), ["p50 50.0 ms"]),
        (Seen(10_000, 60, 49, 100, 150, 0), ["p95 100.0 ms", "p99 150.0 ms"]),
        (Seen(10_000, 60, 49, 99, 149, 10), ["10 of 10000 failed"]),
    ],
)
def test_a_target_is_missed_at_its_limit(seen: Seen, said: list[str]) -> None:
    assert missed(seen) == said


def test_all_three_services_answer_the_mix() -> None:
    done = subprocess.run(
        [
            *(sys.executable, "bench/mix.py", "--per-minute", "1500", "--minutes", "0.02"),
            "--no-headroom",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )

    rows = [line.strip("│ ").split("│") for line in done.stdout.splitlines() if "│" in line]
    counts = {row[0].strip(): (int(row[1]), int(row[2])) for row in rows}
    assert set(counts) == {"tabular", "text", "image", "all"}, done.stderr
    assert counts["all"] == (30, 0)
