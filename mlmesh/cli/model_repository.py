"""What the commands of `mlmesh models` work on: the repositories, and the mesh that is told."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from mlmesh.cli.model_mesh import Mesh, MeshRefused, NoMesh
from mlmesh.cli.model_options import REGISTRY_EXTRA

if TYPE_CHECKING:
    from mlmesh.registration.library import Library
    from mlmesh.registry.keys import PrivateKey
    from mlmesh.registry.signature import Profile

REFUSED = 1
USAGE = 2
PLAIN_WIDTH = 140


def open_console(*, stderr: bool = False) -> Console:
    """A console that takes no text for markup: names and notes are other people's."""
    console = Console(highlight=False, markup=False, emoji=False, stderr=stderr)
    if not console.is_terminal:
        # Cells must not be cut short where nobody can widen the window.
        console.width = PLAIN_WIDTH
    return console


def complain(message: str) -> None:
    print(f"mlmesh: {plain(message)}", file=sys.stderr)


def plain(text: str) -> str:
    """The same without what would command a terminal."""
    return "".join(one if one.isprintable() or one == "\n" else "?" for one in text)


def sentence(text: str) -> str:
    return plain(text[:1].upper() + text[1:])


@contextmanager
def refusals() -> Iterator[None]:
    """Ends the command with what a refusal in the block says, and its exit code."""
    try:
        from mlmesh.registration.refusal import Refused
        from mlmesh.registry.keys import BadKey
        from mlmesh.registry.pointers import BadPointers
        from mlmesh.registry.store import BadVersion
    except ModuleNotFoundError as missing:
        complain(REGISTRY_EXTRA.format(missing=missing.name))
        raise typer.Exit(USAGE) from None
    try:
        yield
    except (Refused, BadKey, BadPointers, BadVersion, MeshRefused, NoMesh) as error:
        complain(str(error))
        raise typer.Exit(REFUSED) from None
    except ModuleNotFoundError as missing:
        complain(REGISTRY_EXTRA.format(missing=missing.name))
        raise typer.Exit(USAGE) from None
    except KeyboardInterrupt:
        complain("stopped, nothing was changed")
        raise typer.Exit(130) from None


@dataclass(frozen=True, slots=True)
class Places:
    """Where everything lies, as the command line says."""

    repository: Path
    shipped: Path | None
    keys: Path
    gateway: str

    @property
    def mesh(self) -> Mesh:
        return Mesh(self.gateway)

    def library(self, profile: Profile = "development") -> Library:
        """Open what is there; raises Refused."""
        from mlmesh.registration.library import open_library, shipped_in

        shipped = shipped_in(Path.cwd()) if self.shipped is None else [self.shipped]
        return open_library(self.repository, shipped, self.keys, profile)

    def key(self, name: str) -> PrivateKey:
        """A key to sign with; the development key is made where there is none. Raises BadKey."""
        from mlmesh.registry.keys import DEVELOPMENT_KEY, development_key, read_key

        if name == DEVELOPMENT_KEY:
            return development_key(self.keys)
        return read_key(self.keys, name)

    def tell(self, what: str, change: Callable[[Mesh], None]) -> None:
        """Tell a running mesh, and print whether there was one; exits with 1 when it refuses."""
        console = open_console()
        try:
            with open_console(stderr=True).status(f"telling the mesh at {self.gateway}"):
                change(self.mesh)
        except NoMesh as absent:
            console.print(sentence(f"{absent}: it is {what} when one starts."), soft_wrap=True)
        except MeshRefused as refused:
            complain(f"the mesh at {self.gateway} refuses: {refused}")
            raise typer.Exit(REFUSED) from None
        else:
            console.print(f"The mesh at {self.gateway} has it {what}.", soft_wrap=True)
