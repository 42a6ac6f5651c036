"""The part of a page of the documentation that is measured, not written."""

from __future__ import annotations

from pathlib import Path

from mlmesh.evaluation.figure_table import markdown_figures, read_manifests

START, END = "<!-- figures -->", "<!-- end of figures -->"


def write_figures(page: Path, models: Path) -> None:
    """Replace what stands between the marks of the page by the figures of all manifests below
    `models`; raises ValueError without marks."""
    before, _, rest = page.read_text(encoding="utf-8").partition(START)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"{page.name}: {START} and {END} are missing")
    figures = markdown_figures(read_manifests(models))
    page.write_text(f"{before}{START}\n{figures}\n{END}{after}", encoding="utf-8")
