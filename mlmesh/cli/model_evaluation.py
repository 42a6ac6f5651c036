"""`mlmesh models evaluate`, as the command line sees it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlmesh.cli.model_options import (
    DEFAULT_KEYS,
    DEFAULT_REPOSITORY,
    Keys,
    Model,
    Repository,
    Shipped,
)
from mlmesh.cli.model_repository import REFUSED, Places, refusals
from mlmesh.cli.model_upkeep import models as models


@models.command()
def evaluate(
    model: Model,
    data: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder of the test sets: see docs/data.md.")
    ],
    version: Annotated[str, typer.Option(help="A version or label; left out: the default.")] = "",
    target: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT",
            help="The service to ask, by gRPC; left out: the program's port in mesh.toml.",
        ),
    ] = "",
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Most items of every set, for a look; nothing is judged then."),
    ] = None,
    config: Annotated[Path, typer.Option(help="The file that names the programs.")] = Path(
        "mesh.toml"
    ),
    repository: Repository = DEFAULT_REPOSITORY,
    models_: Shipped = None,
    keys: Keys = DEFAULT_KEYS,
) -> None:
    """Measure a running model through its service, and compare with the figures of its card.

    Exits with 1 when a figure differs by more than its tolerance.
    """
    with refusals():
        from mlmesh.cli.evaluation_run import Order, evaluate_version

        places = Places(repository, models_, keys, "")
        order = Order(model, version, data, target, limit, config)
        if not evaluate_version(order, places):
            raise typer.Exit(REFUSED)
