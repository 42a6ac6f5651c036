"""What the commands of `mlmesh models` that change something do."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from rich.text import Text

from mlmesh.cli.model_mesh import Mesh, NoMesh
from mlmesh.cli.model_repository import Places, open_console, plain, sentence
from mlmesh.cli.model_tables import show_quantized, show_registered, size_text
from mlmesh.cli.steps import showing_steps
from mlmesh.registration.publication import remove_version, sign_again
from mlmesh.registration.quantize import QuantizeOrder, quantize
from mlmesh.registration.refusal import Refused
from mlmesh.registration.register import Order, register
from mlmesh.registry.keys import make_key
from mlmesh.registry.pointers import Pointers, change_pointers, check_label
from mlmesh.registry.private_copy import checked_manifest
from mlmesh.registry.store import StoredVersion

Change = Callable[[Pointers], Pointers]


async def register_graph(order: Order, places: Places, *, tell: bool) -> None:
    with showing_steps(open_console(stderr=True)) as steps:
        done = await register(order, steps)
    show_registered(open_console(), done)
    if tell:
        _tell_of_new(places, done.stored)


async def quantize_version(order: QuantizeOrder, places: Places, *, tell: bool) -> None:
    with showing_steps(open_console(stderr=True)) as steps:
        done = await quantize(order, steps)
    console = open_console()
    show_quantized(console, done)
    console.print(
        f"Callers get it by its name. To make it the default: mlmesh models promote "
        f"{done.stored.model} {done.stored.version}",
        soft_wrap=True,
    )
    if tell:
        _tell_of_new(places, done.stored)


def promote_version(places: Places, model: str, version: str, tell: bool) -> None:
    stored = _trusted(places, model, version)
    _point(
        places,
        model,
        f"Now {stored.version} is the default of {model}",
        lambda mesh: mesh.set_default(model, stored.version),
        lambda said: said.model_copy(update={"default": stored.version}),
        tell,
    )


def label_version(places: Places, model: str, label: str, version: str, tell: bool) -> None:
    library = places.library()
    check_label(label, [one.version for one in library.versions_of(model)])
    stored = _trusted(places, model, version)
    _point(
        places,
        model,
        f"Now {label} stands for {model} {stored.version}",
        lambda mesh: mesh.set_label(model, label, stored.version),
        lambda said: said.model_copy(update={"labels": {**said.labels, label: stored.version}}),
        tell,
    )


def remove_label(places: Places, model: str, label: str, tell: bool) -> None:
    labels = places.library().pointers(model).labels
    if label not in labels:
        known = f"; it has {', '.join(labels)}" if labels else ", and no other either"
        raise Refused(f"label: {model} has no label {label!r}{known}")
    _point(
        places,
        model,
        f"Now {label} stands for nothing",
        lambda mesh: mesh.remove_label(model, label),
        lambda said: said.model_copy(
            update={"labels": {one: to for one, to in said.labels.items() if one != label}}
        ),
        tell,
    )


def find_removable(places: Places, model: str, version: str) -> StoredVersion:
    """A version that may be removed; raises Refused."""
    library = places.library()
    versions = {stored.version: stored for stored in library.versions_of(model)}
    stored = versions.get(version) or library.find(model, version)
    if library.is_shipped(stored):
        raise Refused(f"{model} {stored.version}: is shipped with the mesh, not registered; "
                      "remove it from the tree")  # fmt: skip
    if library.pointers(model).default == stored.version and len(versions) > 1:
        raise Refused(
            f"{model} {stored.version}: is the default; promote another version first: "
            f"mlmesh models promote {model} VERSION"
        )
    return stored


def remove_stored(places: Places, stored: StoredVersion, tell: bool) -> None:
    console = open_console()
    if tell:
        try:
            # First, so that the mesh never serves what cannot be loaded again.
            _unload_if_there(places.mesh, stored)
        except NoMesh as absent:
            console.print(sentence(f"{absent}, so nothing had to be unloaded."), soft_wrap=True)
        else:
            console.print(f"The mesh at {places.gateway} does not serve it any more.")
    freed = remove_version(stored.root, stored)
    if tell:
        with suppress(NoMesh):
            # It sees that the version is gone, and forgets it.
            _unload_if_there(places.mesh, stored)
    console.print(
        Text(f"Removed {stored.model} {stored.version}, {size_text(freed)} are free.", "green")
    )


def load_version(gateway: str, model: str, version: str) -> None:
    with open_console(stderr=True).status(f"loading {model} {version}"):
        Mesh(gateway).load(model, version)
    open_console().print(f"The mesh at {gateway} has {model} {version or '(all versions)'} loaded.")


def unload_version(gateway: str, model: str, version: str) -> None:
    with open_console(stderr=True).status(f"unloading {model} {version}"):
        Mesh(gateway).unload(model, version)
    open_console().print(f"The mesh at {gateway} serves {model} {version} no more.")


def show_key(keys: Path, name: str) -> None:
    key = make_key(keys, name)
    console = open_console()
    console.print(f"{name}: a {key.purpose} key, {key.public.id}")
    console.print(f"  {keys / name}.key  keep it to yourself", soft_wrap=True)
    console.print(f"  {keys / name}.pub  give it to the servers that shall trust it "
                  "(MLMESH_KEYS)", soft_wrap=True)  # fmt: skip


def sign_version(places: Places, model: str, version: str, name: str, tell: bool) -> None:
    library = places.library()
    stored = _trusted(places, model, version)
    if library.is_shipped(stored):
        raise Refused(f"{model} {stored.version}: is shipped with the mesh and trusted by the pins "
                      "of the tree; it needs no signature")  # fmt: skip
    key = places.key(name)
    sign_again(stored, key, library.trust)
    open_console().print(f"Signed {model} {stored.version} with the {key.purpose} key "
                         f"{key.public.id}.", style="green")  # fmt: skip
    if tell:
        _tell_of_new(places, stored)


def _tell_of_new(places: Places, stored: StoredVersion) -> None:
    places.tell("loaded", lambda mesh: mesh.load(stored.model, stored.version))


def _trusted(places: Places, model: str, version: str) -> StoredVersion:
    """A version that somebody vouches for; raises Refused or BadVersion."""
    library = places.library()
    stored = library.find(model, version)
    checked_manifest(stored, library.trust)
    return stored


def _point(
    places: Places,
    model: str,
    what: str,
    told: Callable[[Mesh], None],
    change: Change,
    tell: bool,
) -> None:
    """Let the mesh write it or, when none answers, write it here."""
    console = open_console()
    if tell:
        try:
            told(places.mesh)
        except NoMesh as absent:
            console.print(sentence(f"{absent}: it counts when one starts."), soft_wrap=True)
        else:
            console.print(plain(f"{what}, in the mesh at {places.gateway}."), soft_wrap=True)
            return
    _write(places, model, change)
    console.print(plain(f"{what}."), soft_wrap=True)


def _write(places: Places, model: str, change: Change) -> None:
    try:
        (places.repository / model).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(f"repository: {places.repository}: {error.strerror}") from None
    change_pointers(places.repository, model, change)


def _unload_if_there(mesh: Mesh, stored: StoredVersion) -> None:
    for model in mesh.models():
        versions = {one.get("version"): one.get("state") for one in model.get("versions", [])}
        if model.get("name") == stored.model and stored.version in versions:
            mesh.unload(stored.model, stored.version)
