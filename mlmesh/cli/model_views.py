"""What the commands of `mlmesh models` that only look do."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer

from mlmesh.cli.model_mesh import NoMesh
from mlmesh.cli.model_repository import REFUSED, Places, open_console, plain, sentence
from mlmesh.cli.model_tables import Row, show_card, show_list, show_verified
from mlmesh.cli.steps import showing_steps
from mlmesh.registration.library import Library
from mlmesh.registry.manifest import Manifest
from mlmesh.registry.pointers import Pointers
from mlmesh.registry.private_copy import checked_manifest, copy_verified
from mlmesh.registry.signature import Profile
from mlmesh.registry.store import BLOBS_FOLDER, BadVersion, StoredVersion, newest_of

States = Mapping[tuple[str, str], Mapping[str, Any]]
"""What the mesh says of versions, by model and version."""


def list_versions(places: Places, model: str) -> None:
    library = places.library()
    console = open_console()
    states, absent = _states(places)
    found = library.versions_of(model) if model else list(library.versions())
    if not found:
        console.print(f"There are no models in {places.repository} and none are shipped here. "
                      "Add one: mlmesh models register model.onnx --name NAME",
                      soft_wrap=True)  # fmt: skip
        return
    show_list(console, [_row(library, stored, states) for stored in found], states=not absent)
    for (name, version), said in states.items():
        if said.get("state") == "FAILED" and model in ("", name):
            reason = plain(str(said.get("reason")))
            console.print(f"{name} {version} failed: {reason}", style="red", soft_wrap=True)
    if absent:
        console.print(sentence(f"{absent}, so nothing is said of what is loaded."), soft_wrap=True)


def show_version(places: Places, model: str, version: str) -> None:
    library = places.library()
    stored = library.find(model, version)
    states, _ = _states(places)
    said = states.get((stored.model, stored.version), {})
    state = str(said.get("state", "")).lower()
    if said.get("reason"):
        state += f": {plain(str(said['reason']))}"
    manifest = checked_manifest(stored, library.trust)
    show_card(
        open_console(),
        manifest,
        str(stored.folder),
        _marks(library.pointers(stored.model), library, stored),
        _problem(library, stored),
        state,
    )


def verify_versions(places: Places, model: str, version: str, profile: Profile) -> None:
    """Exits with 1 when a version does not verify."""
    library = places.library(profile)
    if version:
        found = [library.find(model, version)]
    else:
        found = library.versions_of(model) if model else list(library.versions())
    results = []
    with showing_steps(open_console(stderr=True)) as steps:
        for stored in found:
            steps(f"{plain(stored.model)} {plain(stored.version)}")
            results.append((plain(stored.model), plain(stored.version), _problem(library, stored)))
    show_verified(open_console(), results)
    if any(problem for _, _, problem in results):
        raise typer.Exit(REFUSED)


def _row(library: Library, stored: StoredVersion, states: States) -> Row:
    row = Row(
        plain(stored.model),
        plain(stored.version),
        "shipped" if library.is_shipped(stored) else "registered",
    )
    row.marks = _marks(library.pointers(stored.model), library, stored)
    said = states.get((stored.model, stored.version), {})
    row.state = str(said.get("state", ""))
    try:
        manifest = checked_manifest(stored, library.trust)
    except BadVersion as error:
        row.problem = plain(str(error))
        return row
    row.task = manifest.task
    row.size = sum(_sizes(stored, manifest))
    row.metrics = manifest.evaluation.metrics
    return row


def _sizes(stored: StoredVersion, manifest: Manifest) -> Iterator[int]:
    paths = [stored.folder / name for name in manifest.files]
    paths += [stored.root / BLOBS_FOLDER / digest for digest in manifest.blobs.values()]
    for path in paths:
        try:
            yield path.lstat().st_size
        except OSError:
            yield 0


def _marks(pointers: Pointers, library: Library, stored: StoredVersion) -> list[str]:
    newest = newest_of([one.version for one in library.versions_of(stored.model)])
    marks = [label for label, version in pointers.labels.items() if version == stored.version]
    if (pointers.default or newest) == stored.version:
        marks.insert(0, "default")
    return marks


def _problem(library: Library, stored: StoredVersion) -> str:
    """What is wrong with a version's files; empty if nothing is."""
    with tempfile.TemporaryDirectory(prefix="mlmesh-verify-") as folder:
        try:
            copy_verified(stored, Path(folder) / "copy", library.trust)
        except BadVersion as error:
            return plain(str(error))
    return ""


def _states(places: Places) -> tuple[States, str]:
    """What a running mesh says, or why there is none."""
    try:
        models = places.mesh.models()
    except NoMesh as absent:
        return {}, str(absent)
    return {
        (str(model.get("name")), str(version.get("version"))): {
            **version,
            "state": str(version.get("state", "")).removeprefix("MODEL_STATE_"),
        }
        for model in models
        for version in model.get("versions", [])
    }, ""
