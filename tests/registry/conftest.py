from __future__ import annotations

from pathlib import Path

import pytest

from mlmesh.registry.store import StoredVersion
from tests.registry.repository import Repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    (tmp_path / "models").mkdir()
    (tmp_path / "copies").mkdir()
    return Repository(tmp_path / "models", tmp_path / "keys", tmp_path / "copies")


@pytest.fixture
def stored(repository: Repository) -> StoredVersion:
    """tiny v1.0, signed by the development key."""
    return repository.add()
