"""The figures of manifests as a table, for the terminal and for the documentation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from rich.table import Table

from mlmesh.registry.manifest import MANIFEST_FILE, Manifest, read_manifest

COLUMNS = ("Model", "Rows", "Accuracy", "95 % interval", "AUC", "Log loss", "ECE")
Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Family:
    models: list[Row]
    baselines: list[Row]


def read_manifests(models: Path) -> list[Manifest]:
    """All manifests below a folder, ordered by name and version."""
    return [read_manifest(path.parent) for path in sorted(models.glob(f"*/*/{MANIFEST_FILE}"))]


def families_of(manifests: Iterable[Manifest]) -> list[Family]:
    """Versions of one name and the baselines they share, since they answer the same rows."""
    return [_family(list(versions)) for _, versions in groupby(manifests, key=lambda one: one.name)]


def markdown_figures(manifests: Sequence[Manifest]) -> str:
    """A Markdown table in which the models stand out from their baselines, then the notes."""
    notes = [f"- {one.name} {one.version}: {one.evaluation.notes}" for one in manifests]
    return "\n".join([*_markdown_table(manifests), "", *notes])


def _markdown_table(manifests: Sequence[Manifest]) -> list[str]:
    lines = [_line(COLUMNS), _line(["---"] + ["---:"] * (len(COLUMNS) - 1))]
    for family in families_of(manifests):
        lines += [_line([f"**{row[0]}**", *row[1:]]) for row in family.models]
        lines += [_line(row) for row in family.baselines]
    return lines


def terminal_table(manifests: Iterable[Manifest]) -> Table:
    table = Table(title="Figures on held-out rows", box=None, padding=(0, 1, 0, 0))
    for place, column in enumerate(COLUMNS):
        table.add_column(column, justify="right" if place else "left")
    for family in families_of(manifests):
        for row in family.models:
            table.add_row(*row, style="bold")
        for row in family.baselines:
            table.add_row(*row, style="dim")
        table.add_row()
    return table


def _family(versions: list[Manifest]) -> Family:
    models = [
        _row(
            f"{one.name} {one.version}",
            one.evaluation.rows,
            one.evaluation.metrics,
            "{accuracy_low:.4f} to {accuracy_high:.4f}".format(**one.evaluation.metrics),
        )
        for one in versions
    ]
    newest = versions[-1].evaluation
    baselines = [
        _row(name.replace("_", " "), newest.rows, figures)
        for name, figures in newest.baselines.items()
    ]
    return Family(models, baselines)


def _row(name: str, rows: int, figures: dict[str, float], interval: str = "") -> Row:
    accuracy, auc, log_loss, calibration_error = (
        f"{figures[key]:.4f}" for key in ("accuracy", "auc", "log_loss", "calibration_error")
    )
    return name, f"{rows:,}", accuracy, interval, auc, log_loss, calibration_error


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
