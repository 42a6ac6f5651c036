from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from mlmesh.registration.publication import (
    LEFT_BEHIND_SECONDS,
    next_version,
    publish,
    remove_version,
    share_large_files,
    sign_again,
    staged,
    without,
    write_signed,
)
from mlmesh.registration.refusal import Refused
from mlmesh.registry.keys import PrivateKey, development_key, make_key
from mlmesh.registry.manifest import MANIFEST_FILE, MODEL_FILE, Manifest, read_manifest, sha256_of
from mlmesh.registry.pointers import Pointers
from mlmesh.registry.signature import SIGNATURE_FILE, Trust
from mlmesh.registry.store import BadVersion, StoredVersion
from tests.tiny_models import write_classifier


@pytest.fixture
def key(tmp_path: Path) -> PrivateKey:
    return development_key(tmp_path / "keys")


def add(root: Path, key: PrivateKey, version: str = "v1.0", weights: bytes = b"") -> StoredVersion:
    """Publish a classifier; with weights, they become a blob beside it."""
    with staged(root, "tiny", version) as stored:
        source = write_classifier(stored.root / "source", "tiny", version)
        (source / MODEL_FILE).rename(stored.folder / MODEL_FILE)
        if weights:
            (stored.folder / "weights.bin").write_bytes(weights)
        blobs = share_large_files(stored, 1)
        manifest = read_manifest(source)
        write_signed(stored, Manifest.model_validate({**dict(manifest), "blobs": blobs}), key)
        return publish(stored, root)


def test_a_published_version_is_readable_and_whole(root: Path, key: PrivateKey) -> None:
    stored = add(root, key)

    assert stored.folder == root / "tiny" / "v1.0"
    names = {path.name: path.stat().st_mode & 0o777 for path in stored.folder.iterdir()}
    assert names == {MODEL_FILE: 0o644, MANIFEST_FILE: 0o644, SIGNATURE_FILE: 0o644}
    assert stored.folder.stat().st_mode & 0o777 == 0o755


def test_a_version_in_its_place_is_never_replaced(root: Path, key: PrivateKey) -> None:
    stored = add(root, key)
    before = sha256_of(stored.folder / MANIFEST_FILE)

    with pytest.raises(Refused, match=r"version: tiny v1\.0 is there already"):
        add(root, key)

    assert sha256_of(stored.folder / MANIFEST_FILE) == before
    assert {path.name for path in root.iterdir()} == {"tiny", ".lock"}


def test_an_empty_folder_in_its_place_is_respected_too(root: Path, key: PrivateKey) -> None:
    (root / "tiny" / "v1.0").mkdir(parents=True)

    with pytest.raises(Refused, match="is there already"):
        add(root, key)


def test_versions_count_across_repositories(root: Path, key: PrivateKey, tmp_path: Path) -> None:
    assert next_version("tiny", [root]) == "v1.0"
    for version in ("v9.1", "v10.0-int8", "other"):
        add(root, key, version)

    assert next_version("tiny", [tmp_path / "nothing", root]) == "v11.0"
    assert next_version("another", [root]) == "v1.0"


def test_what_a_killed_process_left_is_removed_after_a_day(root: Path, key: PrivateKey) -> None:
    for name, age in ((".making-old", LEFT_BEHIND_SECONDS + 60), (".making-new", 60)):
        (root / name / "tiny").mkdir(parents=True)
        os.utime(root / name, (time.time() - age,) * 2)

    add(root, key)

    assert not (root / ".making-old").exists()
    assert (root / ".making-new").exists()


def test_a_blob_stays_while_a_version_needs_it(root: Path, key: PrivateKey) -> None:
    first, second = (add(root, key, version, b"shared") for version in ("v1.0", "v2.0"))
    [blob] = (root / "blobs").iterdir()

    remove_version(root, first)
    assert blob.exists()
    remove_version(root, second)

    assert not blob.exists()


def test_no_blob_is_removed_while_a_manifest_cannot_be_read(root: Path, key: PrivateKey) -> None:
    first = add(root, key, "v1.0", b"shared")
    add(root, key, "v2.0").folder.joinpath(MANIFEST_FILE).write_text("broken")

    remove_version(root, first)

    assert len(list((root / "blobs").iterdir())) == 1


def test_a_damaged_blob_is_healed_by_the_next_version(root: Path, key: PrivateKey) -> None:
    add(root, key, "v1.0", b"shared")
    [blob] = (root / "blobs").iterdir()
    blob.write_bytes(b"damaged")

    add(root, key, "v2.0", b"shared")

    assert blob.read_bytes() == b"shared"


def test_nothing_points_to_a_version_that_went() -> None:
    said = Pointers(default="v1.0", labels={"a": "v1.0", "b": "v2.0"}, unloaded=("v1.0", "v3.0"))

    assert without(said, "v1.0") == Pointers(labels={"b": "v2.0"}, unloaded=("v3.0",))


def test_only_what_is_vouched_for_is_signed_again(
    root: Path, key: PrivateKey, tmp_path: Path
) -> None:
    stored = add(root, key)
    release = make_key(tmp_path / "keys", "release")
    trust = Trust(keys=(key.public, release.public), development=True)

    sign_again(stored, release, trust)
    Trust(keys=(release.public,)).check(*signed(stored))

    with (stored.folder / MANIFEST_FILE).open("ab") as file:
        file.write(b" ")
    with pytest.raises(BadVersion, match="does not fit the manifest"):
        sign_again(stored, release, trust)


def signed(stored: StoredVersion) -> tuple[bytes, bytes]:
    manifest, signature = stored.folder / MANIFEST_FILE, stored.folder / SIGNATURE_FILE
    return manifest.read_bytes(), signature.read_bytes()


def test_a_repository_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(Refused, match="repository: "), staged(tmp_path / "file", "tiny", "v1.0"):
        pass
