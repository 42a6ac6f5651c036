"""The mesh against a REST service written by hand: `python bench/grpc_vs_rest.py`.

It starts both, loads every way in with the same requests, in turns, and prints one table. Ratios
are to the first way in, which is the service written by hand with one worker. "us" are
microseconds of CPU time for each request, of all servers of the way in and of the callers.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from bench.comparison import h2load, wrk
from bench.comparison.measurement import Effort, Found, measured
from bench.comparison.payloads import PAYLOADS, Payload
from bench.comparison.plot import write_plot
from bench.comparison.program import NotStarted
from bench.comparison.servers import TITLES, USUAL, running_servers
from bench.comparison.table import markdown_table, rich_table

CALLERS = (1, 16, 64)
QUICK = Effort(seconds=1.0, rounds=1)


def chosen(said: str, known: Sequence[str]) -> list[str]:
    """What an option says, in the order that it says it."""
    names = [name.strip() for name in said.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise typer.BadParameter(f"there is no {name!r}, only {', '.join(known)}")
    return names


def warn_of_missing(console: Console) -> None:
    for name, package, is_installed in (
        ("wrk", "wrk", wrk.is_installed()),
        ("h2load", "nghttp2-client", h2load.is_installed()),
    ):
        if not is_installed:
            console.print(
                f"{name} is missing (Debian: apt install {package}): callers in Python take its "
                "place, and take more of the machine from the servers.",
                style="yellow",
            )


def compared(
    names: Sequence[str],
    payloads: Sequence[Payload],
    callers: Sequence[int],
    effort: Effort,
    environments: Path | None = None,
) -> Found:
    found = Found([], [])
    total = len(payloads) * len(callers) * len(names) * effort.rounds
    with (
        running_servers(names, payloads, environments) as servers,
        Progress(console=Console(stderr=True), transient=True) as progress,
    ):
        task = progress.add_task("measuring", total=total)
        for payload in payloads:
            for number in callers:
                ways = servers.ways(payload)
                one = measured(ways, payload, number, effort, lambda: progress.advance(task))
                found.results += one.results
                found.notes += one.notes
    return found


def main(
    payload: Annotated[
        str, typer.Option(help=f"Comma-separated, of: {', '.join(PAYLOADS)}")
    ] = ",".join(PAYLOADS),
    ways: Annotated[str, typer.Option(help=f"Comma-separated, of: {', '.join(TITLES)}")] = ",".join(
        USUAL
    ),
    callers: Annotated[str, typer.Option(help="Comma-separated")] = ",".join(map(str, CALLERS)),
    seconds: Annotated[float, typer.Option(help="Of each turn")] = 3.0,
    rounds: Annotated[int, typer.Option(help="Turns of every way in")] = 5,
    quick: Annotated[bool, typer.Option(help="One short turn of each")] = False,
    peers: Annotated[
        Path | None, typer.Option(help="Folder of the peers' virtual environments, by name")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Write a plot to this file, PNG or SVG")] = Path(
        "var/grpc_vs_rest.svg"
    ),
    markdown: Annotated[bool, typer.Option(help="Print the table as Markdown")] = False,
) -> None:
    console = Console(width=150)
    names = chosen(ways, list(TITLES))
    payloads = [PAYLOADS[name]() for name in chosen(payload, list(PAYLOADS))]
    warn_of_missing(console)
    try:
        found = compared(
            names,
            payloads,
            [int(number) for number in callers.split(",")],
            QUICK if quick else Effort(seconds, rounds),
            peers,
        )
    except NotStarted as error:
        raise SystemExit(str(error)) from None
    if markdown:
        print(markdown_table(found.results))
    else:
        console.print(rich_table(found.results))
    for note in found.notes:
        console.print(f"Not measured: {note}", markup=False)
    if plot:
        write_plot(found.results, plot)


if __name__ == "__main__":
    typer.run(main)
