"""A model repository: `<root>/<model>/<version>/` with `model.onnx` and `manifest.json`."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from mlmesh.registry.manifest import MANIFEST_FILE, MODEL_FILE, Manifest

BLOBS_FOLDER = "blobs"
"""Holds files that several versions share, named by their sha256; no model may have this name."""


class BadVersion(Exception):
    """A version cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """A version's folder; what is in it has not been looked at yet."""

    model: str
    version: str
    folder: Path
    """`<root>/<model>/<version>`"""

    @property
    def root(self) -> Path:
        """The repository that the version is part of."""
        return self.folder.parent.parent


@dataclass(frozen=True, slots=True)
class VerifiedVersion:
    """A version whose bytes are those that its manifest names."""

    manifest: Manifest
    graph: bytes
    """model.onnx, serialised."""


def versions_in(root: Path) -> Iterator[StoredVersion]:
    """Every version below `root`, by model name, oldest version first.

    Leaves out what cannot be a version: the blobs, and hidden folders, where versions are made.
    """
    folders = [
        path.parent
        for path in root.glob(f"*/*/{MANIFEST_FILE}")
        if path.parts[-3] != BLOBS_FOLDER and not path.parts[-3].startswith(".")
        if not path.parts[-2].startswith(".")
    ]
    for folder in sorted(folders, key=lambda f: (f.parent.name, version_order(f.name))):
        yield StoredVersion(folder.parent.name, folder.name, folder)


def version_order(version: str) -> tuple[tuple[int, int, str], ...]:
    """A sort key that puts v10.0 after v9.1."""
    parts = re.findall(r"\d+|\D+", version)
    return tuple((1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts)


def verified(stored: StoredVersion) -> VerifiedVersion:
    """Read a version once and check what was read; raises BadVersion."""
    try:
        manifest = Manifest.model_validate_json(_read(stored.folder, MANIFEST_FILE))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        problem = first["msg"].removeprefix("Value error, ")
        raise BadVersion(": ".join(filter(None, [MANIFEST_FILE, where, problem]))) from None
    if (manifest.name, manifest.version) != (stored.model, stored.version):
        raise BadVersion(
            f"{MANIFEST_FILE} is of {manifest.name} {manifest.version}, "
            f"but lies in {stored.model}/{stored.version}"
        )
    contents = {name: _read(stored.folder, name) for name in manifest.files}
    for name, content in contents.items():
        if hashlib.sha256(content).hexdigest() != manifest.files[name]:
            raise BadVersion(f"{name} is not the file that the manifest names: its sha256 differs")
    return VerifiedVersion(manifest, contents[MODEL_FILE])


def _read(folder: Path, name: str) -> bytes:
    if Path(name).name != name:
        raise BadVersion(f"{MANIFEST_FILE}: files: {name!r} is not a plain file name")
    try:
        # Not blocking, for it may be a pipe that nobody writes to.
        descriptor = os.open(folder / name, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise BadVersion(f"{name}: not a regular file")
            return file.read()
    except OSError as error:
        raise BadVersion(f"{name}: {error.strerror}") from None
