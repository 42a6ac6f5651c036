"""The commands of `mlmesh models`, as the command line sees them: adding, looking, pointing."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from mlmesh.cli.model_options import (
    DEFAULT_GATEWAY,
    DEFAULT_KEYS,
    DEFAULT_REPOSITORY,
    DEVELOPMENT,
    Gateway,
    Key,
    Keys,
    MemoryGib,
    Model,
    NoLoad,
    Repository,
    Seconds,
    Shipped,
    SomeVersion,
    Version,
    card_of,
    metrics_of,
    names_of,
    ranges_of,
    sizes_of,
)
from mlmesh.cli.model_repository import Places, refusals

models = typer.Typer(
    help="Register models, and say which of their versions answer.", no_args_is_help=True
)


@models.command()
def register(
    graph: Annotated[Path, typer.Argument(metavar="GRAPH", help="An ONNX file.")],
    name: Annotated[str, typer.Option(help="Name of the model; left out: the file's.")] = "",
    version: Annotated[str, typer.Option(help="Left out: the next one, v1.0, v2.0 ...")] = "",
    description: Annotated[str, typer.Option(help="What it does, in a sentence.")] = "",
    licence: Annotated[str, typer.Option(help="Licence of the weights.")] = "",
    task: Annotated[str, typer.Option(help="classification, regression or another word.")] = "",
    labels: Annotated[
        str, typer.Option(metavar="A,B,C", help="Names of the classes, or @FILE of lines.")
    ] = "",
    features: Annotated[
        str, typer.Option(metavar="A,B,C", help="Names of the columns, or @FILE of lines.")
    ] = "",
    metrics: Annotated[
        str, typer.Option(metavar="JSON", help='Figures, for example {"accuracy": 0.95}.')
    ] = "{}",
    scores: Annotated[
        str, typer.Option(metavar="OUTPUT", help="The output with class scores or numbers.")
    ] = "",
    range_: Annotated[
        list[str] | None,
        typer.Option(
            "--range", metavar="NAME=LOW:HIGH", help="Values of a feature or input. Repeatable."
        ),
    ] = None,
    size: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=N", help="Size of an axis that is free. Repeatable."),
    ] = None,
    golden: Annotated[
        Path | None,
        typer.Option(help="Golden rows as .npz, .json or .csv; left out: made-up ones."),
    ] = None,
    golden_rows: Annotated[int, typer.Option(min=1, max=1024, help="How many to make up.")] = 8,
    tolerance: Annotated[
        float | None, typer.Option(min=1e-9, help="How far golden answers may be off.")
    ] = None,
    apart: Annotated[bool, typer.Option("--apart", help="Never run callers together.")] = False,
    service: Annotated[
        str, typer.Option(help="Full name of the gRPC service whose model it is.")
    ] = "",
    card: Annotated[
        Path | None, typer.Option(help="More fields of the manifest, as a file of JSON.")
    ] = None,
    share: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1e9,
            metavar="MB",
            help="Share external data from this size on between versions.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="For made-up rows.")] = 0,
    key: Key = DEVELOPMENT,
    seconds: Seconds = 60.0,
    memory_gib: MemoryGib = 8.0,
    no_load: NoLoad = False,
    repository: Repository = DEFAULT_REPOSITORY,
    models_: Shipped = None,
    keys: Keys = DEFAULT_KEYS,
    gateway: Gateway = DEFAULT_GATEWAY,
) -> None:
    """Check an ONNX file, describe, sign and try it, and add it to the repository."""
    fields = {"description": description, "licence": licence, "service": service}
    more = {**{name: text for name, text in fields.items() if text}, **card_of(card)}
    ranges, sizes, figures = ranges_of(range_ or []), sizes_of(size or []), metrics_of(metrics)
    with refusals():
        from mlmesh.cli.model_commands import register_graph
        from mlmesh.inference.options import TrialLimits
        from mlmesh.registration.card import Said
        from mlmesh.registration.register import Order

        places = Places(repository, models_, keys, gateway)
        said = Said(
            task=task,
            labels=names_of(labels),
            scores=scores,
            features=names_of(features),
            ranges=ranges,
            metrics=figures,
            together=False if apart else None,
            more=more,
        )
        order = Order(
            graph=graph,
            model=name or _name_of(graph),
            repository=repository,
            key=places.key(key),
            version=version,
            others=places.library().shipped,
            said=said,
            sizes=sizes,
            golden=golden,
            rows=golden_rows,
            seed=seed,
            tolerance=tolerance,
            share_bytes=None if share is None else int(share * 1e6),
            limits=TrialLimits(seconds, int(memory_gib * 2**30)),
        )
        asyncio.run(register_graph(order, places, tell=not no_load))


@models.command("list")
def list_(
    model: Annotated[str, typer.Argument(metavar="[MODEL]", help="Only this model.")] = "",
    repository: Repository = DEFAULT_REPOSITORY,
    models_: Shipped = None,
    keys: Keys = DEFAULT_KEYS,
    gateway: Gateway = DEFAULT_GATEWAY,
) -> None:
    """List every version: what it is, whether it is trusted, and what the mesh does with it."""
    with refusals():
        from mlmesh.cli.model_views import list_versions

        list_versions(Places(repository, models_, keys, gateway), model)


@models.command()
def show(
    model: Model,
    version: SomeVersion = "",
    repository: Repository = DEFAULT_REPOSITORY,
    models_: Shipped = None,
    keys: Keys = DEFAULT_KEYS,
    gateway: Gateway = DEFAULT_GATEWAY,
) -> None:
    """Show all that is known of one version."""
    with refusals():
        from mlmesh.cli.model_views import show_version

        show_version(Places(repository, models_, keys, gateway), model, version)


@models.command()
def verify(
    model: Annotated[str, typer.Argument(metavar="[MODEL]", help="Left out: every model.")] = "",
    version: Annotated[
        str, typer.Argument(metavar="[VERSION]", help="Left out: every version.")
    ] = "",
    production: Annotated[
        bool, typer.Option("--production", help="As production does, without development keys.")
    ] = False,
    repository: Repository = DEFAULT_REPOSITORY,
    models_: Shipped = None,
    keys: Keys = DEFAULT_KEYS,
) -> None:
    """Check signatures and every file's digest, as a server does before it loads a version."""
    with refusals():
        from mlmesh.cli.model_views import verify_versions

        places = Places(repository, models_, keys, "")
        verify_versions(places, model, version, "production" if production else "development")


@models.command()
def promote(
    model: Model,
    version: Version,
    no_load: NoLoad = False,
    repository: Repository = DEFAULT_REPOSITORY,
    models_: Shipped = None,
    keys: Keys = DEFAULT_KEYS,
    gateway: Gateway = DEFAULT_GATEWAY,
) -> None:
    """Let a version answer callers that name none."""
    with refusals():
        from mlmesh.cli.model_commands import promote_version

        promote_version(Places(repository, models_, keys, gateway), model, version, not no_load)


@models.command()
def label(
    model: Model,
    label: Annotated[str, typer.Argument(metavar="LABEL", help="For example stable.")],
    version: SomeVersion = "",
    remove: Annotated[bool, typer.Option("--remove", help="Take the label away.")] = False,
    no_load: NoLoad = False,
    repository: Repository = DEFAULT_REPOSITORY,
    models_: Shipped = None,
    keys: Keys = DEFAULT_KEYS,
    gateway: Gateway = DEFAULT_GATEWAY,
) -> None:
    """Let a label stand for a version: mlmesh models label penguins stable v1.0."""
    if remove and version:
        raise typer.BadParameter("--remove takes no version: a label stands for one only")
    with refusals():
        from mlmesh.cli.model_commands import label_version, remove_label

        places = Places(repository, models_, keys, gateway)
        if remove:
            remove_label(places, model, label, not no_load)
        else:
            label_version(places, model, label, version, not no_load)


def _name_of(graph: Path) -> str:
    """penguins for penguins.onnx and for penguins/model.onnx."""
    stem = graph.stem.lower()
    return graph.resolve().parent.name.lower() if stem == "model" else stem
