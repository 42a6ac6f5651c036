"""The other half of `mlmesh models`: smaller versions, keys, and what runs in the mesh."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
)
from mlmesh.cli.model_repository import Places, refusals
from mlmesh.cli.models import models as models

if TYPE_CHECKING:
    from mlmesh.registration.conversion import Method


class Precision(StrEnum):
    INT8 = "int8"
    FP16 = "fp16"


class Way(StrEnum):
    WEIGHTS = "weights"
    BLOCKS = "blocks"
    DYNAMIC = "dynamic"


@models.command()
def quantize(
    model: Model,
    version: SomeVersion = "",
    precision: Annotated[Precision, typer.Option(help="What the weights become.")] = Precision.INT8,
    method: Annotated[
        Way,
        typer.Option(
            help="For int8. weights: stored in 8 bits, computed in float32. blocks: computed in "
            "8 bits. dynamic: likewise, but refused where neighbours change answers."
        ),
    ] = Way.WEIGHTS,
    evaluation: Annotated[
        Path | None,
        typer.Option(help="Rows to compare on (.npz, .json, .csv); left out: the golden rows."),
    ] = None,
    least_agreement: Annotated[
        float,
        typer.Option(min=0, max=1, help="Share of equal answers, and of the accuracy, to keep."),
    ] = 0.99,
    new_version: Annotated[
        str, typer.Option("--as", help="Its name; left out: VERSION-int8 or VERSION-fp16.")
    ] = "",
    key: Key = DEVELOPMENT,
    seconds: Seconds = 60.0,
    memory_gib: MemoryGib = 8.0,
    no_load: NoLoad = False,
    repository: Repository = DEFAULT_REPOSITORY,
    models_: Shipped = None,
    keys: Keys = DEFAULT_KEYS,
    gateway: Gateway = DEFAULT_GATEWAY,
) -> None:
    """Make a smaller version, unless its answers get worse or depend on who else is asking."""
    how: Method = "fp16" if precision is Precision.FP16 else method.value
    with refusals():
        from mlmesh.cli.model_commands import quantize_version
        from mlmesh.inference.options import TrialLimits
        from mlmesh.registration.quantize import QuantizeOrder

        places = Places(repository, models_, keys, gateway)
        signing = places.key(key)
        library = places.library()
        order = QuantizeOrder(
            source=library.find(model, version),
            library=library,
            key=signing,
            method=how,
            version=new_version,
            evaluation=evaluation,
            least_agreement=least_agreement,
            limits=TrialLimits(seconds, int(memory_gib * 2**30)),
        )
        asyncio.run(quantize_version(order, places, tell=not no_load))


@models.command()
def remove(
    model: Model,
    version: Version,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    no_load: NoLoad = False,
    repository: Repository = DEFAULT_REPOSITORY,
    models_: Shipped = None,
    keys: Keys = DEFAULT_KEYS,
    gateway: Gateway = DEFAULT_GATEWAY,
) -> None:
    """Unload a registered version and delete its files."""
    with refusals():
        from mlmesh.cli.model_commands import find_removable, remove_stored

        places = Places(repository, models_, keys, gateway)
        stored = find_removable(places, model, version)
        if not yes:
            typer.confirm(f"Delete {stored.model} {stored.version} for good?", abort=True)
        remove_stored(places, stored, not no_load)


@models.command()
def load(model: Model, version: SomeVersion = "", gateway: Gateway = DEFAULT_GATEWAY) -> None:
    """Let the running mesh load a version, or all that are new."""
    with refusals():
        from mlmesh.cli.model_commands import load_version

        load_version(gateway, model, version)


@models.command()
def unload(model: Model, version: SomeVersion = "", gateway: Gateway = DEFAULT_GATEWAY) -> None:
    """Let the running mesh unload a version, or all of a model."""
    with refusals():
        from mlmesh.cli.model_commands import unload_version

        unload_version(gateway, model, version)


@models.command("key")
def key_(
    name: Annotated[str, typer.Argument(metavar="NAME", help="For example release.")],
    keys: Keys = DEFAULT_KEYS,
) -> None:
    """Make a release key, or say which one is there."""
    with refusals():
        from mlmesh.cli.model_commands import show_key

        show_key(keys, name)


@models.command()
def sign(
    model: Model,
    version: Version,
    key: Key = DEVELOPMENT,
    no_load: NoLoad = False,
    repository: Repository = DEFAULT_REPOSITORY,
    models_: Shipped = None,
    keys: Keys = DEFAULT_KEYS,
    gateway: Gateway = DEFAULT_GATEWAY,
) -> None:
    """Sign a version that verifies with another key, for example that of a release."""
    with refusals():
        from mlmesh.cli.model_commands import sign_version

        places = Places(repository, models_, keys, gateway)
        sign_version(places, model, version, key, not no_load)
