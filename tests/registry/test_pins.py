from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from mlmesh.registry.manifest import MANIFEST_FILE
from mlmesh.registry.pins import PINS_FILE, BadPins, pins_of, read_pins, write_pins
from mlmesh.registry.private_copy import copy_verified
from mlmesh.registry.signature import SIGNATURE_FILE, Trust
from mlmesh.registry.store import BadVersion, StoredVersion, versions_in
from tests.registry.repository import Repository

PREDICTOR = Path(__file__).parents[2] / "predictor"


def test_the_tree_pins_exactly_the_versions_that_it_ships() -> None:
    assert read_pins(PREDICTOR / PINS_FILE) == pins_of(PREDICTOR / "models")


@pytest.mark.parametrize("stored", list(versions_in(PREDICTOR / "models")), ids=str)
def test_shipped_versions_load_in_production_with_no_key_at_all(
    stored: StoredVersion, tmp_path: Path
) -> None:
    trust = Trust(frozenset(read_pins(PREDICTOR / PINS_FILE).values()))

    assert copy_verified(stored, tmp_path / "copy", trust).version == stored.version


def test_a_pin_holds_for_no_other_bytes(repository: Repository, stored: StoredVersion) -> None:
    (stored.folder / SIGNATURE_FILE).unlink()
    write_pins(repository.root.with_name(PINS_FILE), repository.root)
    pins = read_pins(repository.root.with_name(PINS_FILE))
    trust = Trust(frozenset(pins.values()))
    copy_verified(stored, repository.copies / "first", trust)

    repository.change(stored, signed=False, description="something else")

    manifest = (stored.folder / MANIFEST_FILE).read_bytes()
    assert pins == {"tiny/v1.0": pins["tiny/v1.0"]} != {"tiny/v1.0": sha256(manifest)}
    with pytest.raises(BadVersion, match=r"manifest\.sig: missing"):
        copy_verified(stored, repository.copies / "second", trust)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("content", [None, "", "[]", '{"tiny/v1.0": 1}'])
def test_broken_pins_are_named(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / PINS_FILE
    if content is not None:
        file.write_text(content)

    with pytest.raises(BadPins, match=r"pinned\.json"):
        read_pins(file)
