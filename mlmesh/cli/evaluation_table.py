"""What `mlmesh models evaluate` prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mlmesh.cli.model_repository import plain
from mlmesh.evaluation.comparison import Comparison, Verdict
from mlmesh.registry.manifest import Manifest

COLOURS = {Verdict.HOLDS: "green", Verdict.DIFFERS: "bold red"}
COLUMNS = ("figure", "card", "95 % interval", "measured", "difference", "verdict")


def show_comparisons(
    console: Console, manifest: Manifest, comparisons: Sequence[Comparison], items: int
) -> None:
    """items: how many were asked about."""
    table = Table(box=None, pad_edge=False)
    for place, column in enumerate(COLUMNS):
        table.add_column(column, justify="right" if 0 < place < 5 else "left", no_wrap=place < 5)
    for one in comparisons:
        table.add_row(*_cells(one))
    console.print(table, "", sep="\n")
    for note in _notes(comparisons):
        console.print(note, soft_wrap=True)
    console.print(_summary(manifest, comparisons, items), soft_wrap=True)


def _cells(one: Comparison) -> list[str | Text]:
    low, high = one.bounds or (None, None)
    return [
        plain(one.figure),
        _number(one.card),
        "" if one.bounds is None else f"{_number(low)} to {_number(high)}",
        _number(one.measured),
        "" if one.difference is None else f"{round(one.difference, 4) + 0.0:+.4f}",
        Text(one.verdict.value, COLOURS.get(one.verdict, "dim")),
    ]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _notes(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """Each tolerance and each reason once."""
    judged = [one for one in comparisons if one.verdict in (Verdict.HOLDS, Verdict.DIFFERS)]
    for tolerance in dict.fromkeys(one.tolerance for one in judged):
        yield f"Tolerance {tolerance.distance:g}: {plain(tolerance.reason)}."
    unasked = [one for one in comparisons if one.verdict is Verdict.UNASKED]
    for reason in dict.fromkeys(one.reason for one in unasked):
        names = ", ".join(one.figure for one in unasked if one.reason == reason)
        yield f"Not asked, {plain(names)}: {plain(reason)}."


def _summary(manifest: Manifest, comparisons: Sequence[Comparison], items: int) -> Text:
    counts = Counter(one.verdict for one in comparisons)
    name = f"{manifest.name} {manifest.version}"
    asked = f"{items:,} items through the service"
    if counts[Verdict.PART]:
        return Text(f"{name}: {asked}, a part of the sets, so no figure was judged.")
    if counts[Verdict.DIFFERS]:
        figures = [one.figure for one in comparisons if one.verdict is Verdict.DIFFERS]
        return Text(f"{name}: {asked}; not as the card says: {', '.join(figures)}.", "bold red")
    if not counts[Verdict.HOLDS]:
        return Text(f"{name}: {asked}; none of the card's figures could be compared.", "bold red")
    return Text(f"{name}: {asked}; every figure is as the card says.", "green")
