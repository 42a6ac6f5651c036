"""The mesh against a REST service written by hand: `python bench/grpc_vs_rest.py`.

It starts both, loads every way in with the same requests, in turns, and prints one table. Ratios
are to the hand-written service with one worker.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from bench.comparison import wrk
from bench.comparison.load import LoadFailed
from bench.comparison.measurement import Result, measured
from bench.comparison.mesh import planned_mesh
from bench.comparison.payloads import PAYLOADS, Payload
from bench.comparison.program import NotStarted, Program, Running, free_addresses, running
from bench.comparison.table import markdown_table, rich_table
from bench.comparison.ways import Way, by_http

WAYS = {
    "rest": "FastAPI",
    "rest2": "FastAPI, 2 workers",
    "json": "gateway, JSON",
}
CALLERS = (1, 16, 64)
REST_APPLICATION = "bench.comparison.rest_service:app"


def rest_program(workers: int, address: str) -> Program:
    arguments = (
        *("-m", "uvicorn", REST_APPLICATION, "--port", address.partition(":")[2]),
        *("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"),
        *("--workers", str(workers)),
    )
    return Program(f"rest{workers}", arguments, ready=f"{address}/ready")


@contextmanager
def open_ways(names: Sequence[str], payloads: Sequence[Payload]) -> Iterator[dict[str, Way]]:
    """Start what the ways in need; they are given in their usual order."""
    services = sorted({payload.service for payload in payloads})
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        addresses = dict(zip(("rest", "rest2"), free_addresses(2), strict=True))
        mesh = planned_mesh(services, folder)
        programs: list[Program] = []
        if "rest" in names:
            programs.append(rest_program(1, addresses["rest"]))
        if "rest2" in names:
            programs.append(rest_program(2, addresses["rest2"]))
        if set(names) - set(addresses):
            programs.extend(mesh.programs)
        with running(programs, folder) as servers:
            yield {
                name: _way(name, servers, addresses, mesh.http_address)
                for name in WAYS
                if name in names
            }


def _way(name: str, servers: Sequence[Running], rest: dict[str, str], gateway: str) -> Way:
    by_name = {server.program.name: server for server in servers}
    if name in rest:
        server = by_name["rest1" if name == "rest" else "rest2"]
        return Way(WAYS[name], [server], by_http(rest[name], lambda payload: payload.rest))
    ours = [server for server in servers if not server.program.name.startswith("rest")]
    return Way(WAYS[name], ours, by_http(gateway, lambda payload: payload.json))


def main(
    payload: Annotated[list[str] | None, typer.Option(help="Of: " + ", ".join(PAYLOADS))] = None,
    callers: Annotated[list[int] | None, typer.Option(help="By default 1, 16, 64")] = None,
    ways: Annotated[
        str, typer.Option(help=f"Comma-separated, of: {', '.join(WAYS)}; the first is the baseline")
    ] = ",".join(WAYS),
    seconds: Annotated[float, typer.Option(help="Of each turn")] = 3.0,
    rounds: Annotated[int, typer.Option(help="Turns of every way in")] = 5,
    quick: Annotated[bool, typer.Option(help="One short turn each")] = False,
    markdown: Annotated[bool, typer.Option(help="Print the table as Markdown")] = False,
) -> None:
    console = Console(width=140)
    names = ways.split(",")
    if unknown := set(names) - set(WAYS):
        raise typer.BadParameter(f"--ways: there is no {', '.join(sorted(unknown))}")
    if unknown := set(payload or ()) - set(PAYLOADS):
        raise typer.BadParameter(f"--payload: there is no {', '.join(sorted(unknown))}")
    if not wrk.is_installed():
        raise SystemExit("wrk is missing. On Debian and Ubuntu: apt install wrk")
    if quick:
        seconds, rounds = 1.0, 1
    chosen = [PAYLOADS[name]() for name in payload or PAYLOADS]
    numbers = callers or CALLERS
    found: list[Result] = []
    try:
        with (
            open_ways(names, chosen) as opened,
            Progress(console=Console(stderr=True), transient=True) as progress,
        ):
            task = progress.add_task(
                "measuring", total=len(chosen) * len(numbers) * len(opened) * rounds
            )
            for one in chosen:
                for number in numbers:
                    found += measured(
                        opened, one, number, seconds, rounds, lambda: progress.advance(task)
                    )
    except (NotStarted, LoadFailed) as error:
        raise SystemExit(str(error)) from None
    if markdown:
        print(markdown_table(found))
    else:
        console.print(rich_table(found))


if __name__ == "__main__":
    typer.run(main)
