"""What lies in a service's model repositories."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from mlmesh.registry.manifest import MANIFEST_FILE
from mlmesh.registry.pointers import BadPointers, Pointers, change_pointers, read_pointers
from mlmesh.registry.store import StoredVersion, versions_in

logger = logging.getLogger(__name__)

MOST_BYTES = 16 * 2**20
"""Of a manifest; a longer one is not looked into here."""


class Catalogue:
    """roots: repositories, the one that can be added to last. services: whose models are ours."""

    def __init__(self, roots: Sequence[Path], services: frozenset[str]) -> None:
        self._roots = roots
        self._seen: set[Path] = set()
        self._services = services

    def versions(self) -> list[StoredVersion]:
        """Every version that is ours; of two of one name, that of the earlier repository."""
        found: dict[tuple[str, str], StoredVersion] = {}
        for root in self._roots:
            for stored in versions_in(root):
                if not self._ours(stored):
                    continue
                first = found.setdefault((stored.model, stored.version), stored)
                if first is not stored:
                    names = {"model": stored.model, "version": stored.version}
                    logger.error("version shadowed by one that is shipped", extra=names)
        return list(found.values())

    def all_there(self) -> bool:
        """Whether every repository that was ever there is so now; one on a network may be away."""
        there = {root for root in self._roots if root.is_dir()}
        self._seen |= there
        if gone := self._seen - there:
            logger.error("repository gone", extra={"repositories": [root.name for root in gone]})
        return not gone

    def versions_of(self, model: str) -> list[StoredVersion]:
        """Those of one model."""
        return [stored for stored in self.versions() if stored.model == model]

    def digest(self, stored: StoredVersion) -> str:
        """sha256 of a version's manifest as it lies there now; it covers all of the version."""
        return self.digest_of(stored.folder)

    def digest_of(self, folder: Path) -> str:
        """The same for a private copy."""
        return hashlib.sha256(_head(folder)).hexdigest()

    def stamp(self, stored: StoredVersion) -> object:
        """Differs once a file of the version was written, added or removed."""
        try:
            with os.scandir(stored.folder) as entries:
                found = [(entry.name, entry.stat(follow_symlinks=False)) for entry in entries]
        except OSError:
            return None
        return sorted((name, said.st_mtime_ns, said.st_size, said.st_ino) for name, said in found)

    def pointers(self, model: str) -> Pointers:
        """Default, labels and what is not to be loaded; raises BadPointers."""
        return read_pointers(self._roots[-1], model)

    def change_pointers(self, model: str, change: Callable[[Pointers], Pointers]) -> Pointers:
        """Write what `change` makes of them; raises BadPointers."""
        try:
            (self._roots[-1] / model).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadPointers(f"{model}: {error.strerror}") from None
        return change_pointers(self._roots[-1], model, change)

    def _ours(self, stored: StoredVersion) -> bool:
        """Whether the manifest names one of our services; it is not checked yet, only asked.

        What cannot be read belongs to whoever ships it, or to the host of plain graphs, so that it
        is listed as failed by one service.
        """
        try:
            service = json.loads(_head(stored.folder)).get("service", "")
        except (ValueError, AttributeError, RecursionError):
            return stored.root != self._roots[-1] or "" in self._services
        return service in self._services


def _head(folder: Path) -> bytes:
    """A manifest's bytes; empty when it is no file that can be read."""
    file = folder / MANIFEST_FILE
    try:
        if not file.is_file():
            return b""
        with file.open("rb") as opened:
            return opened.read(MOST_BYTES)
    except OSError:
        return b""
