"""A repository with signed versions, and what is needed to tamper with them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlmesh.registry.keys import PrivateKey, development_key
from mlmesh.registry.manifest import MANIFEST_FILE, Manifest, sha256_of
from mlmesh.registry.private_copy import copy_verified
from mlmesh.registry.signature import SIGNATURE_FILE, Trust, sign, trust_of
from mlmesh.registry.store import StoredVersion
from tests.tiny_models import write_classifier


@dataclass(frozen=True)
class Repository:
    root: Path
    keys: Path
    copies: Path

    @property
    def key(self) -> PrivateKey:
        return development_key(self.keys)

    @property
    def trust(self) -> Trust:
        return trust_of(self.keys, "development")

    def stored(self, model: str = "tiny", version: str = "v1.0") -> StoredVersion:
        return StoredVersion(model, version, self.root / model / version)

    def add(self, model: str = "tiny", version: str = "v1.0") -> StoredVersion:
        """A signed classifier."""
        write_classifier(self.root, model, version)
        self.sign(self.stored(model, version))
        return self.stored(model, version)

    def add_file(self, stored: StoredVersion, name: str, content: bytes) -> Path:
        """One more file of a version, which its signed manifest names."""
        path = stored.folder / name
        path.write_bytes(content)
        files = json.loads((stored.folder / MANIFEST_FILE).read_text())["files"]
        self.change(stored, files={**files, name: sha256_of(path)})
        return path

    def add_blob(self, stored: StoredVersion, name: str, content: bytes) -> Path:
        """A blob, which the version's signed manifest names."""
        folder = self.root / "blobs"
        folder.mkdir(exist_ok=True)
        (folder / "new").write_bytes(content)
        digest = sha256_of(folder / "new")
        path = (folder / "new").rename(folder / digest)
        self.change(stored, blobs={name: digest})
        return path

    def change(self, stored: StoredVersion, *, signed: bool = True, **fields: Any) -> None:
        """Write other things into the manifest, however wrong they are."""
        path = stored.folder / MANIFEST_FILE
        path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))
        if signed:
            self.sign(stored)

    def sign(self, stored: StoredVersion, key: PrivateKey | None = None) -> None:
        manifest = (stored.folder / MANIFEST_FILE).read_bytes()
        (stored.folder / SIGNATURE_FILE).write_bytes(sign(manifest, key or self.key))

    def copy(self, stored: StoredVersion, **options: Any) -> Manifest:
        return copy_verified(stored, self.copies / "copy", self.trust, **options)
