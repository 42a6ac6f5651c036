"""The table as a picture: for every payload, how many requests a second each way in answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.comparison.measurement import Result

WIDTH_INCHES = 4.6
HEIGHT_INCHES = 3.8
COLUMNS = 3


def write_plot(results: Sequence[Result], file: Path) -> None:
    """A panel for every payload, a line for every way in, against the number of callers."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "mlmesh"  # the same figures give the same file
    from matplotlib import pyplot as plt

    payloads = list(dict.fromkeys(result.payload for result in results))
    if not payloads:
        return
    columns = min(COLUMNS, len(payloads))
    rows = -(-len(payloads) // columns)
    figure, panels = plt.subplots(
        rows,
        columns,
        figsize=(WIDTH_INCHES * columns, HEIGHT_INCHES * rows),
        squeeze=False,
        layout="constrained",
    )
    ways = list(dict.fromkeys(result.way for result in results))
    colours = {way: f"C{index % 10}" for index, way in enumerate(ways)}
    for panel, payload in zip(panels.flat, payloads, strict=False):
        _draw(panel, [one for one in results if one.payload == payload], colours)
    for panel in panels.flat[len(payloads) :]:
        panel.set_visible(False)
    handles, labels = panels.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2 * columns, frameon=False)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None)
    plt.close(figure)


def _draw(panel: Any, results: Sequence[Result], colours: dict[str, str]) -> None:
    callers = sorted({result.callers for result in results})
    for way, colour in colours.items():
        mine = sorted((one.callers, one.per_second) for one in results if one.way == way)
        # Ways that are left out here stay in the legend.
        panel.plot(*(zip(*mine, strict=True) if mine else ([], [])), "o-", color=colour, label=way)
    panel.set_title(results[0].payload)
    panel.set_xscale("log", base=2)
    panel.set_yscale("log")
    panel.set_xticks(callers, [str(number) for number in callers])
    panel.minorticks_off()
    panel.set_xlabel("callers")
    panel.set_ylabel("requests/s")
    panel.grid(alpha=0.3)
