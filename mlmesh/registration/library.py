"""Every version that a command can see: those that are shipped, and the registered ones."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlmesh.registration.refusal import Refused
from mlmesh.registry.keys import BadKey
from mlmesh.registry.pins import PINS_FILE, BadPins, read_pins
from mlmesh.registry.pointers import BadPointers, Pointers, read_pointers
from mlmesh.registry.signature import Profile, Trust, trust_of
from mlmesh.registry.store import StoredVersion, newest_of, version_order, versions_in


@dataclass(frozen=True, slots=True)
class Library:
    """Repositories, of which only one can be added to."""

    repository: Path
    """Where versions are registered, and where defaults and labels are kept."""
    shipped: tuple[Path, ...]
    trust: Trust

    @property
    def roots(self) -> tuple[Path, ...]:
        """All repositories; of two versions of one name that of the first counts."""
        return (*self.shipped, self.repository)

    def versions(self) -> Iterator[StoredVersion]:
        """Every version, by model, oldest first."""
        found = [stored for root in self.roots for stored in versions_in(root)]
        seen: set[tuple[str, str]] = set()
        for stored in sorted(found, key=lambda one: (one.model, version_order(one.version))):
            if (stored.model, stored.version) not in seen:
                seen.add((stored.model, stored.version))
                yield stored

    def versions_of(self, model: str) -> list[StoredVersion]:
        """Those of one model, oldest first; raises Refused when there is none."""
        everything = list(self.versions())
        found = [stored for stored in everything if stored.model == model]
        if not found:
            raise Refused(_unknown("model: there is", model, {one.model for one in everything}))
        return found

    def find(self, model: str, version: str = "") -> StoredVersion:
        """A version by its name or a label; empty: the default. Raises Refused."""
        versions = {stored.version: stored for stored in self.versions_of(model)}
        pointers = self.pointers(model)
        wanted = version or pointers.default or newest_of([*versions])
        stored = versions.get(pointers.labels.get(wanted, wanted))
        if stored is None:
            raise Refused(_unknown(f"version: {model} has", wanted, {*versions, *pointers.labels}))
        return stored

    def pointers(self, model: str) -> Pointers:
        """Default and labels; raises Refused when their file is broken."""
        try:
            return read_pointers(self.repository, model)
        except BadPointers as error:
            raise Refused(str(error)) from None

    def is_shipped(self, stored: StoredVersion) -> bool:
        return stored.root != self.repository


def open_library(
    repository: Path, shipped: Sequence[Path], keys: Path, profile: Profile = "development"
) -> Library:
    """Trust the keys of a folder, and the pins beside the shipped models; raises Refused."""
    try:
        pins = [
            digest
            for root in shipped
            if (root.parent / PINS_FILE).exists()
            for digest in read_pins(root.parent / PINS_FILE).values()
        ]
        return Library(repository, tuple(shipped), trust_of(keys, profile, pins))
    except (BadPins, BadKey) as error:
        raise Refused(str(error)) from None


def shipped_in(folder: Path) -> list[Path]:
    """Folders of models that have their pins beside them, in the programs of a mesh's folder."""
    return [pins.parent / "models" for pins in sorted(folder.glob(f"*/{PINS_FILE}"))
            if (pins.parent / "models").is_dir()]  # fmt: skip


def _unknown(what: str, wanted: str, known: Collection[str]) -> str:
    """Names what there is, the nearest first."""
    if not known:
        return f"{what} no {wanted!r}, and nothing else either"
    near = difflib.get_close_matches(wanted, known, n=3, cutoff=0.4)
    names = ", ".join([*near, *sorted(set(known) - set(near))][:10])
    return f"{what} no {wanted!r}; there is {names}"
