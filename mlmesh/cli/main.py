"""Entry point of the `mlmesh` command."""

from __future__ import annotations

import sys

MISSING_EXTRA = """\
mlmesh: the command needs typer and rich, which the base install leaves out.
Install them with:  pip install 'mlmesh[server]'"""


def main() -> None:
    try:
        from mlmesh.cli.app import app
    except ModuleNotFoundError as missing:
        if missing.name != "typer":
            raise
        print(MISSING_EXTRA, file=sys.stderr)
        sys.exit(2)
    app(prog_name="mlmesh")


if __name__ == "__main__":
    main()
