"""Train and export the models that the vision service ships: `python -m vision.export --data DATA`.

Needs the `export` extra. Nothing that serves imports this.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mlmesh.evaluation.figure_page import write_figures
from mlmesh.evaluation.figure_table import terminal_table
from mlmesh.registry.pins import PINS_FILE, write_pins
from vision.training import classifier, detector, segmenter
from vision.training.plots import draw_plots
from vision.training.release import Release, Trained, release
from vision.training.sheets import draw_sheets
from vision.training.start import Start

MODELS = Path(__file__).parent / "models"
CHECKPOINTS = Path("var/checkpoints")
PAGE = "vision-models.md"
RECIPES: Mapping[str, Callable[[Start], Trained]] = {
    classifier.NAME: classifier.train_classifier,
    detector.NAME: detector.train_detector,
    segmenter.NAME: segmenter.train_segmenter,
}


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    console = Console()
    # One thread sums in one order: the same seed gives the same weights on the same machine.
    torch.set_num_threads(1)
    if not options.drawn_only:
        with _progress(console) as progress:
            start = Start(options.data, progress, options.checkpoints)
            releases = export(start, options.only or list(RECIPES), options.models)
        for done in releases:
            console.print(_summary(done), highlight=False, soft_wrap=True)
        manifests = (done.manifest for done in releases)
        console.print(terminal_table(manifests, "Figures on held-out pictures"))
    if options.docs:
        write_figures(options.docs / PAGE, options.models)
        draw_plots(options.data, options.models, options.docs / "images")
    if options.pictures:
        draw_sheets(options.data, options.models, options.pictures)


def export(start: Start, names: Sequence[str], models: Path) -> list[Release]:
    """Train and release the models of these names; raises Refused, see `release`."""
    releases = [release(RECIPES[name](start), models) for name in names]
    write_pins(models.with_name(PINS_FILE), models)
    return releases


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m vision.export", description=__doc__)
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        help="folder with image_classification/ and detection_segmentation/: see docs/data.md",
    )
    parser.add_argument(
        "--only", action="append", choices=list(RECIPES), help="one model; may be repeated"
    )
    parser.add_argument("--models", type=Path, default=MODELS, help="folder that gets the versions")
    parser.add_argument(
        "--checkpoints",
        type=Path,
        default=CHECKPOINTS,
        help="folder that an interrupted training goes on from (default: %(default)s)",
    )
    parser.add_argument(
        "--docs", type=Path, help=f"folder of {PAGE}, to bring its figures and plots up to date"
    )
    parser.add_argument(
        "--pictures",
        type=Path,
        help="folder that gets sheets of hits and misses; their photographs may not be passed on",
    )
    parser.add_argument(
        "--drawn-only",
        action="store_true",
        help="train nothing: only do what --docs and --pictures ask for, with the models there are",
    )
    return parser.parse_args(arguments)


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
    )


def _summary(done: Release) -> str:
    card, fidelity = done.manifest, done.fidelity
    parts = [
        f"{name}: {fidelity.from_torch[name]:.1e} from torch, "
        f"{fidelity.from_rounding[name]:.1e} from the weights before rounding, "
        f"{fidelity.from_neighbours[name]:.1e} from neighbours"
        for name in fidelity.from_torch
    ]
    missed = ", ".join(f"{name} by {gap:.4f}" for name, gap in done.missed.items())
    said = f"missed {missed}" if missed else "all targets reached"
    return (
        f"{card.name} {card.version}: {card.training.seconds:g} CPU seconds; {said}; "
        f"{'; '.join(parts)}"
    )


if __name__ == "__main__":
    main()
