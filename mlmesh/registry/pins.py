"""The versions that are trusted without a signature: those shipped in the tree.

Their manifests' digests stand in a file of the tree, outside the models' folder, so that whoever
can only write models cannot add to it.
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from mlmesh.registry.manifest import MANIFEST_FILE, sha256_of
from mlmesh.registry.store import versions_in

PINS_FILE = "pinned.json"
"""Lies beside the folder of the shipped models."""
_PINS = TypeAdapter(dict[str, str])


class BadPins(Exception):
    """The file of pins cannot be read; the message says why."""


def pins_of(models: Path) -> dict[str, str]:
    """sha256 of every version's manifest.json, by `<model>/<version>`."""
    return {
        f"{stored.model}/{stored.version}": sha256_of(stored.folder / MANIFEST_FILE)
        for stored in versions_in(models)
    }


def read_pins(file: Path) -> dict[str, str]:
    """What `write_pins` wrote; raises BadPins."""
    try:
        return _PINS.validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        raise BadPins(f"{file}: {error}") from None


def write_pins(file: Path, models: Path) -> None:
    """Trust every version that is in `models` now."""
    file.write_text(json.dumps(pins_of(models), indent=2) + "\n", encoding="utf-8")
