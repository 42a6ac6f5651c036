"""What `mlmesh models evaluate` does: find the card, the sets and the service; measure; compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mlmesh.cli.evaluation_source import source_of
from mlmesh.cli.evaluation_table import show_comparisons
from mlmesh.cli.model_repository import Places, open_console
from mlmesh.evaluation.comparison import compare, holds
from mlmesh.evaluation.evaluation import Evaluation, HeldOutSet
from mlmesh.evaluation.measuring import measure
from mlmesh.evaluation.served import NotEvaluated, Served, asking
from mlmesh.registration.refusal import Refused
from mlmesh.registry.manifest import Manifest
from mlmesh.registry.private_copy import checked_manifest

PAGE = "docs/data.md"


@dataclass(frozen=True, slots=True)
class Order:
    """What the command line says."""

    model: str
    version: str
    data: Path
    target: str
    limit: int | None
    config: Path


def evaluate_version(order: Order, places: Places) -> bool:
    """Measure a version and print the table; whether every figure holds. Raises Refused."""
    library = places.library()
    stored = library.find(order.model, order.version)
    manifest = checked_manifest(stored, library.trust)
    if not manifest.evaluation.metrics:
        raise Refused(
            f"{manifest.name} {manifest.version}: its card has no figures to compare with; "
            "`mlmesh models register --metrics` states them"
        )
    source = source_of(manifest, order.config)
    everything = _sets(order, source.evaluation)
    sets = everything if order.limit is None else [one.part(order.limit) for one in everything]
    try:
        measured = _measured(sets, manifest, order.target or source.target)
    except NotEvaluated as error:
        raise Refused(str(error)) from None
    whole = _items(sets) == _items(everything)
    card = manifest.evaluation.metrics
    comparisons = list(compare(card, measured, source.evaluation, whole=whole))
    show_comparisons(open_console(), manifest, comparisons, _items(sets))
    return holds(comparisons)


def _items(sets: Sequence[HeldOutSet[Any, Any]]) -> int:
    return sum(len(one.items) for one in sets)


def _sets(order: Order, evaluation: Evaluation) -> Sequence[HeldOutSet[Any, Any]]:
    try:
        return evaluation.read(order.data)
    except FileNotFoundError as error:
        raise Refused(
            f"--data: {error.filename} is missing; {PAGE} says where it is published"
        ) from None
    except (OSError, EOFError, ValueError, LookupError) as error:
        raise Refused(
            f"--data: {order.data} does not hold what {PAGE} describes: "
            f"{type(error).__name__}: {error}; compare the checksums there"
        ) from None


def _measured(
    sets: Sequence[HeldOutSet[Any, Any]], manifest: Manifest, target: str
) -> dict[str, float]:
    """The figures of all sets, by a progress bar for each."""
    measured: dict[str, float] = {}
    with asking(target) as channel, _progress() as progress:
        served = Served(channel, manifest.name, manifest.version, manifest.digest)
        tasks = [progress.add_task(held.name, total=len(held.items)) for held in sets]
        for held, task in zip(sets, tasks, strict=True):
            measured |= measure(held, served, partial(progress.advance, task))
    return measured


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=open_console(stderr=True),
    )
