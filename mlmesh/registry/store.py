"""A model repository: `<root>/<model>/<version>/` with `model.onnx` and `manifest.json`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlmesh.registry.manifest import MANIFEST_FILE

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


def versions_in(root: Path) -> Iterator[StoredVersion]:
    """Every version below `root`, by model name, oldest version first.

    Leaves out what cannot be a version: the blobs, hidden folders, where versions are made, and
    names that are not UTF-8, which nobody could ask for.
    """
    folders = [
        path.parent
        for path in root.glob(f"*/*/{MANIFEST_FILE}")
        if path.parts[-3] != BLOBS_FOLDER and all(map(_is_name, path.parts[-3:-1]))
    ]
    for folder in sorted(folders, key=lambda f: (f.parent.name, version_order(f.name))):
        yield StoredVersion(folder.parent.name, folder.name, folder)


def _is_name(name: str) -> bool:
    # What Python makes of bytes that are not UTF-8 cannot be sent or printed.
    return not name.startswith(".") and not any("\ud800" <= one <= "\udfff" for one in name)


def newest_of(versions: Sequence[str]) -> str:
    """The newest of some versions, oldest first; empty when there is none.

    A name with a hyphen, such as v1.0-int8, is made from another version or is not final; it counts
    only where there is no other.
    """
    final = [version for version in versions if "-" not in version]
    return (final or versions or [""])[-1]


def version_order(version: str) -> tuple[tuple[int, int, str], ...]:
    """A sort key that puts v10.0 after v9.1."""
    parts = re.findall(r"\d+|\D+", version)
    return tuple((1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts)
