"""Train and export the models that the nlp service ships: `python -m nlp.export --data DATA`.

Needs the `export` extra, and the starting weights. Nothing that serves imports this.
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
from nlp.training import embeddings, entities, sentiment
from nlp.training.release import Release, Trained, release, remove_unused_blobs
from nlp.training.start import Start, started

MODELS = Path(__file__).parent / "models"
CHECKPOINTS = Path("var/checkpoints")
PAGE = "nlp-models.md"
RECIPES: Mapping[str, Callable[[Start], Trained]] = {
    embeddings.NAME: embeddings.train_embeddings,
    sentiment.NAME: sentiment.train_sentiment,
    entities.NAME: entities.train_entities,
}


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    console = Console()
    # One thread sums in one order: the same seed gives the same weights on the same machine.
    torch.set_num_threads(1)
    with _progress(console) as progress:
        start = started(options.data, progress, options.checkpoints)
        releases = [
            release(RECIPES[name](start), options.models) for name in options.only or RECIPES
        ]
    remove_unused_blobs(options.models)
    write_pins(options.models.with_name(PINS_FILE), options.models)
    for done in releases:
        console.print(_summary(done), highlight=False, soft_wrap=True)
    manifests = (done.manifest for done in releases)
    console.print(terminal_table(manifests, "Figures on held-out texts"))
    if options.docs:
        write_figures(options.docs / PAGE, options.models)


def export(start: Start, names: Sequence[str], models: Path) -> list[Release]:
    """Train and release the models of these names; raises Refused, see `release`."""
    releases = [release(RECIPES[name](start), models) for name in names]
    remove_unused_blobs(models)
    write_pins(models.with_name(PINS_FILE), models)
    return releases


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m nlp.export", description=__doc__)
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        help="folder with sentiment/, ner/ and embeddings/ in it: see docs/data.md",
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
        "--docs", type=Path, help=f"folder of {PAGE}, to bring its figures up to date"
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
    return (
        f"{card.name} {card.version}: {card.training.seconds:g} CPU seconds; floats within "
        f"{fidelity.float_difference:.1e} of torch, whole numbers within "
        f"{fidelity.int8_difference:.1e}; texts beside a text change it by "
        f"{fidelity.neighbour_difference:.1e}"
    )


if __name__ == "__main__":
    main()
