"""The part of docs/nlp-models.md that is measured, not written."""

from __future__ import annotations

from pathlib import Path

from nlp.training.figures import markdown_figures, read_manifests

PAGE = "nlp-models.md"
START, END = "<!-- figures -->", "<!-- end of figures -->"


def write_figures(docs: Path, models: Path) -> None:
    """Replace what stands between the marks of the page; raises ValueError without marks."""
    page = docs / PAGE
    before, _, rest = page.read_text(encoding="utf-8").partition(START)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"{page.name}: {START} and {END} are missing")
    figures = markdown_figures(read_manifests(models))
    page.write_text(f"{before}{START}\n{figures}\n{END}{after}", encoding="utf-8")
