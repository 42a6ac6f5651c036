"""The part of docs/models.md that is measured, not written: the table and the plots."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from xml.sax.saxutils import escape

from predictor.training.figures import markdown_figures, read_manifests
from predictor.training.release import Release
from predictor.training.reliability import reliability_plot

PAGE = "models.md"
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


def write_plots(docs: Path, releases: Iterable[Release]) -> None:
    """One reliability plot for every model of two classes."""
    images = docs / "images"
    images.mkdir(parents=True, exist_ok=True)
    for release in releases:
        card = release.manifest
        if len(card.labels) == 2:
            name = f"{card.name}-{card.version}"
            plot = reliability_plot(
                escape(f"{card.name} {card.version}"),
                escape(f"probability of {card.labels[1]}"),
                release.probabilities[:, 1],
                release.labels == 1,
            )
            (images / f"{name}-reliability.svg").write_text(plot, encoding="utf-8")
