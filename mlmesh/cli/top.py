"""`mlmesh top`: programs and models of a running mesh, live, from their metrics."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.live import Live

from mlmesh.cli.mesh import MeshError, read_mesh
from mlmesh.cli.top_change import Change
from mlmesh.cli.top_scrape import Scrape, Source, scrape_all
from mlmesh.cli.top_view import view_of

PLAIN_WIDTH = 140


def top(config: Path, named: Sequence[str], seconds: float, *, once: bool) -> int:
    """Show until Ctrl-C, or once; gives the exit code: 1 when no program could be read.

    named: NAME=URL of metrics pages; those of `config` when there is none.
    """
    console = Console(highlight=False)
    try:
        sources = [_source(text) for text in named] or _sources(config)
    except MeshError as problem:
        Console(stderr=True, highlight=False).print(f"mlmesh top: {problem}", soft_wrap=True)
        return 2
    try:
        return _once(console, sources, seconds) if once else _live(console, sources, seconds)
    except KeyboardInterrupt:
        return 0


def _once(console: Console, sources: Sequence[Source], seconds: float) -> int:
    if not console.is_terminal:
        console.width = PLAIN_WIDTH
    changes = next(_changes(sources, seconds))
    console.print(view_of(changes))
    return int(all(change.after.problem for change in changes))


def _live(console: Console, sources: Sequence[Source], seconds: float) -> int:
    with Live(console=console, screen=console.is_terminal, auto_refresh=False) as live:
        for changes in _changes(sources, seconds):
            live.update(view_of(changes), refresh=True)
    return 0


def _changes(sources: Sequence[Source], seconds: float) -> Iterator[list[Change]]:
    """One for every program, again and again."""
    before = scrape_all(sources)
    while True:
        time.sleep(seconds)
        after = scrape_all(sources)
        yield [_change(old, new) for old, new in zip(before, after, strict=True)]
        before = after


def _change(before: Scrape, after: Scrape) -> Change:
    # Of a program that has just come there is nothing to compare with yet.
    return Change(after if before.problem else before, after)


def _source(text: str) -> Source:
    program, equals, url = text.partition("=")
    if not (program and equals and url.startswith(("http://", "https://"))):
        raise MeshError(
            f"--metrics {text}: expected NAME=URL, as predictor=http://host:9101/metrics"
        )
    return Source(program, url)


def _sources(config: Path) -> list[Source]:
    mesh = read_mesh(config)
    ports = {"gateway": mesh.gateway.ops_port}
    ports |= {service.name: service.metrics_port for service in mesh.services}
    return [Source(name, f"http://127.0.0.1:{port}/metrics") for name, port in ports.items()]
