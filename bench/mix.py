"""A realistic mix at a constant rate over all three services: `python bench/mix.py`.

70 % rows, 20 % texts, 10 % photographs, 10,000 requests a minute over the gateway. Every request
has a time at which it is due, whether or not earlier ones were answered, and its latency counts
from then: a server that stalls is charged for all that came meanwhile. Then the rate is raised
until a target breaks; what was held last is the headroom.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table

from bench.comparison.load import HttpRequest, LoadFailed, Seen, seen_of
from bench.comparison.mesh import CONTRACTS, planned_mesh
from bench.comparison.payloads import JPEG, JSON
from bench.comparison.photo import made_photo
from bench.comparison.program import ROOT, NotStarted, running
from nlp.sentences import sentences_of

SHARES = {"tabular": 0.7, "text": 0.2, "image": 0.1}
P50_MS, P95_MS, P99_MS = 50.0, 100.0, 150.0
MOST_FAILED = 0.001
WARM_UP_SECONDS = 5.0
STEP_SECONDS = 10.0
STEP = 1.25
TIMEOUT_SECONDS = 30.0
PHOTOS, TEXTS, ROWS = 16, 200, 200
LONGEST_TEXT = 300


@dataclass(frozen=True, slots=True)
class Answer:
    kind: str
    latency_ms: float
    """From when the request was due."""
    good: bool


class Connections:
    """Opened as they are needed and kept."""

    def __init__(self, address: str) -> None:
        self._host, _, port = address.partition(":")
        self._port = int(port)
        self._address = address
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(self, request: HttpRequest) -> bool:
        """Whether it was answered well."""
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await self._ask(request)
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            return False

    async def _ask(self, request: HttpRequest) -> bool:
        reader, writer = self._idle.pop() if self._idle else await self._opened()
        writer.write(self._head(request) + request.body)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r\n")[0]))
        self._idle.append((reader, writer))
        return head.startswith(b"http/1.1 200")

    async def _opened(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self._host, self._port, limit=2**20)

    def _head(self, request: HttpRequest) -> bytes:
        lines = [f"POST {request.path} HTTP/1.1", f"Host: {self._address}"]
        lines += [f"{name}: {value}" for name, value in request.headers]
        lines += [f"Content-Length: {len(request.body)}", "", ""]
        return "\r\n".join(lines).encode()

    async def close(self) -> None:
        for _, writer in self._idle:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


def requests_by_kind() -> dict[str, list[HttpRequest]]:
    """Different ones of every kind, always the same."""
    chance = random.Random(0)
    rows = [
        [round(chance.uniform(*limits), 1) for limits in ((34, 58), (14, 21), (173, 230))]
        + [float(chance.randrange(2700, 6300))]
        for _ in range(ROWS)
    ]
    pages = [page.read_text(encoding="utf-8") for page in sorted((ROOT / "docs").glob("*.md"))]
    found = [page[start:end] for page in pages for start, end in sentences_of(page)]
    texts = [text for text in found if len(text) <= LONGEST_TEXT][:TEXTS]
    return {
        "tabular": [
            HttpRequest("/predict", JSON, orjson.dumps({"model": "penguins", "features": row}))
            for row in rows
        ],
        "text": [
            HttpRequest("/analyze/sentiment", JSON, orjson.dumps({"text": text})) for text in texts
        ],
        "image": [HttpRequest("/classify", JPEG, made_photo(seed)) for seed in range(PHOTOS)],
    }


async def sent(address: str, rate: float, seconds: float) -> list[Answer]:
    """So many requests a second at constant distances; waits for all answers."""
    requests = requests_by_kind()
    chance = random.Random(1)
    connections = Connections(address)
    answers: list[Answer] = []

    async def ask(kind: str, due: float) -> None:
        good = await connections.ask(chance.choice(requests[kind]))
        answers.append(Answer(kind, 1000 * (time.perf_counter() - due), good))

    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for number in range(round(rate * seconds)):
            due = began + number / rate
            if (early := due - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            [kind] = chance.choices(list(SHARES), list(SHARES.values()))
            tasks.create_task(ask(kind, due))
            if number % 32 == 0:
                # Those that are due have begun before the next ones are made.
                await asyncio.sleep(0)
    await connections.close()
    return answers


def figures(answers: Sequence[Answer], seconds: float) -> dict[str, Seen]:
    """By kind, and of all together."""
    kinds: dict[str, Sequence[Answer]] = {
        kind: [answer for answer in answers if answer.kind == kind] for kind in SHARES
    }
    return {
        kind: seen_of(
            [answer.latency_ms for answer in some], seconds, sum(not one.good for one in some)
        )
        for kind, some in {**kinds, "all": answers}.items()
        if some
    }


def missed(seen: Seen) -> list[str]:
    """The targets that are not held."""
    found = [
        f"{name} {value:.1f} ms"
        for name, value, most in (
            ("p50", seen.p50_ms, P50_MS),
            ("p95", seen.p95_ms, P95_MS),
            ("p99", seen.p99_ms, P99_MS),
        )
        if value >= most
    ]
    if seen.failed >= MOST_FAILED * seen.requests:
        found.append(f"{seen.failed} of {seen.requests} failed")
    return found


def table_of(found: dict[str, Seen]) -> Table:
    table = Table("kind", "requests", "failed", "p50 ms", "p95 ms", "p99 ms")
    for kind, seen in found.items():
        times = (f"{value:.1f}" for value in (seen.p50_ms, seen.p95_ms, seen.p99_ms))
        table.add_row(kind, f"{seen.requests:,}", str(seen.failed), *times)
    return table


def headroom(address: str, rate: float, console: Console) -> float:
    """The highest rate, in steps, at which all targets were held."""
    held = rate
    for step in count(1):
        tried = rate * STEP**step
        answers = asyncio.run(sent(address, tried, STEP_SECONDS))
        seen = figures(answers, STEP_SECONDS)["all"]
        problems = missed(seen)
        console.print(
            f"{tried * 60:,.0f} a minute: p50 {seen.p50_ms:.1f}, p95 {seen.p95_ms:.1f}, "
            f"p99 {seen.p99_ms:.1f} ms, {seen.failed} failed"
        )
        if problems:
            break
        held = tried
    return held


def main(
    per_minute: Annotated[float, typer.Option(help="Requests a minute")] = 10_000,
    minutes: Annotated[float, typer.Option(help="For how long")] = 5.0,
    find_headroom: Annotated[bool, typer.Option("--headroom/--no-headroom")] = True,
) -> None:
    console = Console(width=100)
    rate, seconds = per_minute / 60, minutes * 60
    try:
        with tempfile.TemporaryDirectory(prefix="mlmesh-bench-") as scratch:
            folder = Path(scratch)
            mesh = planned_mesh(list(CONTRACTS), folder)
            with running(mesh.programs, folder) as servers:
                asyncio.run(sent(mesh.http_address, rate, min(WARM_UP_SECONDS, seconds)))
                cpu = sum(server.cpu_seconds for server in servers)
                answers = asyncio.run(sent(mesh.http_address, rate, seconds))
                cpu = sum(server.cpu_seconds for server in servers) - cpu
                found = figures(answers, seconds)
                console.print(table_of(found))
                console.print(f"The servers took {cpu / seconds:.2f} cores.")
                problems = missed(found["all"])
                console.print(f"Missed: {', '.join(problems) or 'nothing'}.")
                if find_headroom and not problems:
                    held = headroom(mesh.http_address, rate, console)
                    console.print(f"Headroom: {held / rate:.2f} times the rate.")
    except (NotStarted, LoadFailed) as error:
        raise SystemExit(str(error)) from None
    raise SystemExit(bool(problems))


if __name__ == "__main__":
    typer.run(main)
