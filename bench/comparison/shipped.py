"""The models that come with the mesh, for who runs them without it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.comparison.program import ROOT
from mlmesh.registry.manifest import Manifest
from mlmesh.registry.pins import PINS_FILE, read_pins
from mlmesh.registry.private_copy import copy_verified
from mlmesh.registry.signature import Trust
from mlmesh.registry.store import versions_in


@dataclass(frozen=True, slots=True)
class Unpacked:
    folder: Path
    manifest: Manifest


def unpack(program: str, model: str, scratch: Path) -> Unpacked:
    """The default version of a model, with all of its files in one folder."""
    models = ROOT / program / "models"
    folder = scratch / model
    folder.parent.mkdir(parents=True, exist_ok=True)
    stored = [one for one in versions_in(models) if one.model == model][-1]
    pinned = frozenset(read_pins(models.parent / PINS_FILE).values())
    return Unpacked(folder, copy_verified(stored, folder, Trust(pinned=pinned)))
