"""The commands of `mlmesh`, as the command line sees them."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from mlmesh.cli.model_evaluation import models

app = typer.Typer(
    help="Serve machine-learning models behind contracts that can be trusted.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


app.add_typer(models, name="models")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mlmesh {version('mlmesh')}")
        raise typer.Exit


@app.callback()
def mlmesh(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    pass


@app.command()
def up(
    config: Annotated[Path, typer.Option(help="The file that names the programs.")] = Path(
        "mesh.toml"
    ),
    only: Annotated[
        str, typer.Option(metavar="NAME,...", help="Start these programs and no others.")
    ] = "",
    http_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of the gateway.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; anything else is open to the network.")
    ] = "127.0.0.1",
    timeout: Annotated[
        float, typer.Option(min=0, help="Seconds within which everything must be ready.")
    ] = 60.0,
    raw: Annotated[
        bool, typer.Option("--json", help="Pass the programs' log lines on as they are.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Print what would be started, and start nothing.")
    ] = False,
) -> None:
    """Start the gateway and the model services, and keep them running until Ctrl-C."""
    from mlmesh.cli.up import Options, up

    names = [name.strip() for name in only.split(",") if name.strip()]
    options = Options(config, host, names, http_port, timeout, raw, check)
    raise typer.Exit(asyncio.run(up(options)))


@app.command(
    context_settings={
        "allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": [],
    },
    options_metavar="METHOD --field value|@file ...",
)  # fmt: skip
def call(context: typer.Context) -> None:
    """Ask a running mesh: any method of its contracts, by the names of its fields."""
    from mlmesh.cli.call import call

    raise typer.Exit(call(context.args))


@app.command()
def top(
    config: Annotated[Path, typer.Option(help="The file that names the programs.")] = Path(
        "mesh.toml"
    ),
    metrics: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=URL", help="Read this metrics page; may be repeated."),
    ] = None,
    interval: Annotated[
        float, typer.Option(min=0.1, max=60, help="Seconds between two looks.")
    ] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Show one interval, and end.")] = False,
) -> None:
    """Watch the programs and models of a running mesh, from their metrics."""
    from mlmesh.cli.top import top

    raise typer.Exit(top(config, metrics or (), interval, once=once))
