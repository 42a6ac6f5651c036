"""Train and export the models that the predictor ships: `python -m predictor.export --data DATA`.

Needs the `export` extra. Nothing that serves imports this.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from mlmesh.registry.pins import PINS_FILE, write_pins
from predictor.training.adult_income import train_logistic, train_network
from predictor.training.documentation import write_figures, write_plots
from predictor.training.figures import terminal_table
from predictor.training.penguins import train_penguins
from predictor.training.release import Release, Trained, release

MODELS = Path(__file__).parent / "models"
RECIPES: tuple[Callable[[Path, Progress], Trained], ...] = (
    train_logistic,
    train_network,
    train_penguins,
)


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    console = Console()
    # One thread sums in one order: the same seed gives the same weights on the same machine.
    torch.set_num_threads(1)
    with _progress(console) as progress:
        releases = [
            release(recipe(options.data / "tabular", progress), options.models)
            for recipe in RECIPES
        ]
    write_pins(options.models.with_name(PINS_FILE), options.models)
    for done in releases:
        console.print(_summary(done), highlight=False, soft_wrap=True)
    console.print(terminal_table(done.manifest for done in releases))
    if options.docs:
        write_figures(options.docs, options.models)
        write_plots(options.docs, releases)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m predictor.export", description=__doc__)
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        help="folder with tabular/penguins.csv, adult-train.csv.gz and adult-test.csv.gz in it",
    )
    parser.add_argument("--models", type=Path, default=MODELS, help="folder that gets the versions")
    parser.add_argument(
        "--docs", type=Path, help="folder of models.md, to bring its figures and plots up to date"
    )
    return parser.parse_args(arguments)


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console
    )


def _summary(done: Release) -> str:
    card, fidelity = done.manifest, done.fidelity
    neighbours = "bit for bit" if fidelity.bit_equal else "within the tolerance, not bit for bit"
    return (
        f"{card.name} {card.version}: {card.training.seconds} CPU seconds, within "
        f"{fidelity.largest_difference:.1e} of torch; rows independent {neighbours}"
    )


if __name__ == "__main__":
    main()
