"""The options that the commands of `mlmesh models` share, and how their texts are read."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

REGISTRY_EXTRA = """\
This command needs packages that are not installed ({missing}).
Install them with:  pip install 'mlmesh[registry]'"""

Model = Annotated[str, typer.Argument(metavar="MODEL", help="Name of the model.")]
SomeVersion = Annotated[
    str, typer.Argument(metavar="[VERSION]", help="A version or label; left out: the default.")
]
Version = Annotated[str, typer.Argument(metavar="VERSION", help="A version or label.")]
Repository = Annotated[
    Path,
    typer.Option(envvar="MLMESH_REPOSITORY", help="Folder that models are registered in."),
]
Shipped = Annotated[
    Path | None,
    typer.Option(
        "--models",
        envvar="MLMESH_MODELS",
        help="Folder of shipped models; left out: those of the programs in this folder.",
    ),
]
Keys = Annotated[Path, typer.Option(envvar="MLMESH_KEYS", help="Folder of the keys.")]
Key = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="The key to sign with; the development key is made on first use."
    ),
]
Gateway = Annotated[
    str,
    typer.Option(envvar="MLMESH_GATEWAY", help="Address of the mesh that is told of changes."),
]
NoLoad = Annotated[bool, typer.Option("--no-load", help="Do not tell a running mesh.")]
Seconds = Annotated[
    float, typer.Option(min=1, max=86_400, help="How long the trial of a graph may take.")
]
MemoryGib = Annotated[
    float, typer.Option(min=1, max=65_536, help="How much memory the trial may take.")
]

DEFAULT_REPOSITORY = Path("var/models")
DEFAULT_KEYS = Path("var/keys")
DEFAULT_GATEWAY = "http://127.0.0.1:8080"
DEVELOPMENT = "development"

_PAIR = re.compile(r"(?P<name>.+?)=(?P<value>[^=]+)")


def names_of(text: str) -> tuple[str, ...]:
    """The names in "a, b, c"; a file's lines for "@file"."""
    if text.startswith("@"):
        try:
            lines = Path(text[1:]).read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError) as error:
            raise typer.BadParameter(f"{text[1:]}: {error}") from None
        return tuple(line.strip() for line in lines if line.strip())
    return tuple(name.strip() for name in text.split(",") if name.strip())


def ranges_of(texts: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Least and largest value by name, from "name=0:10"."""
    ranges = {}
    for text in texts:
        name, value = _pair(text, "--range", "NAME=LOW:HIGH")
        low, colon, high = value.partition(":")
        try:
            ranges[name] = (float(low), float(high))
        except ValueError:
            colon = ""
        if not colon or not ranges[name][0] <= ranges[name][1]:
            raise typer.BadParameter(f"--range: {text!r} is not NAME=LOW:HIGH")
    return ranges


def sizes_of(texts: Sequence[str]) -> dict[str, int]:
    """Sizes by name, from "name=16"."""
    sizes = {}
    for text in texts:
        name, value = _pair(text, "--size", "NAME=NUMBER")
        if not re.fullmatch(r"[0-9]{1,7}", value) or not 0 < int(value) <= 2**20:
            raise typer.BadParameter(f"--size: {text[:64]!r} is not NAME=NUMBER, from 1 to 1048576")
        sizes[name] = int(value)
    return sizes


def metrics_of(text: str) -> dict[str, float]:
    """Figures by name, from JSON."""
    said = _object(text, "--metrics")
    figures = {name: _number(value) for name, value in said.items()}
    if wrong := [name for name, value in figures.items() if not math.isfinite(value)]:
        raise typer.BadParameter(f"--metrics: {wrong[0]} is no number")
    return figures


def card_of(path: Path | None) -> dict[str, Any]:
    """Fields of a manifest, from a file of JSON."""
    if path is None:
        return {}
    try:
        return _object(path.read_text(encoding="utf-8"), f"--card: {path}")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"--card: {path}: {error}") from None


def _pair(text: str, option: str, form: str) -> tuple[str, str]:
    matched = _PAIR.fullmatch(text)
    if matched is None:
        raise typer.BadParameter(f"{option}: {text!r} is not {form}")
    return matched["name"], matched["value"]


def _object(text: str, where: str) -> dict[str, Any]:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise typer.BadParameter(f"{where}: not JSON: {error}") from None
    if not isinstance(said, dict):
        raise typer.BadParameter(f'{where}: expected an object, for example {{"accuracy": 0.95}}')
    return said


def _number(value: object) -> float:
    """NaN for what is no number."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf
