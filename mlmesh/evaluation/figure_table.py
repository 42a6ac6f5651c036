"""The figures of manifests as a table, for the terminal and for the documentation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from rich.table import Table

from mlmesh.registry.manifest import MANIFEST_FILE, Manifest, read_manifest

COLUMNS = ("Model", "Figure", "Value", "95 % interval", "Other ways")
LOW, HIGH = "_low", "_high"
Row = tuple[str, ...]


def read_manifests(models: Path) -> list[Manifest]:
    """All manifests below a folder, ordered by name and version."""
    return [read_manifest(path.parent) for path in sorted(models.glob(f"*/*/{MANIFEST_FILE}"))]


def rows_of(manifest: Manifest) -> Iterator[Row]:
    """One row for each figure; other ways are baselines that have the same figure."""
    evaluation = manifest.evaluation
    metrics = evaluation.metrics
    for name, value in metrics.items():
        if name.endswith((LOW, HIGH)):
            continue
        low, high = metrics.get(name + LOW), metrics.get(name + HIGH)
        others = (
            f"{figures[name]:.4f} {way}"
            for way, figures in evaluation.baselines.items()
            if name in figures
        )
        yield (
            f"{manifest.name} {manifest.version}",
            name.replace("_", " "),
            f"{value:.4f}",
            "" if low is None or high is None else f"{low:.4f} to {high:.4f}",
            "; ".join(others),
        )


def markdown_figures(manifests: Iterable[Manifest]) -> str:
    """A Markdown table, then the notes."""
    manifests = list(manifests)
    lines = [_line(COLUMNS), _line(["---", "---", "---:", "---:", "---"])]
    lines += [_line(row) for one in manifests for row in rows_of(one)]
    notes = [f"- {one.name} {one.version}: {one.evaluation.notes}" for one in manifests]
    return "\n".join([*lines, "", *notes])


def terminal_table(manifests: Iterable[Manifest], title: str) -> Table:
    table = Table(title=title, box=None, padding=(0, 1, 0, 0))
    for place, column in enumerate(COLUMNS):
        table.add_column(column, justify="right" if place in (2, 3) else "left")
    for manifest in manifests:
        for row in rows_of(manifest):
            table.add_row(*row)
        table.add_row()
    return table


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
