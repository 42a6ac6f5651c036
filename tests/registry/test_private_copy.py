from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlmesh.registry.manifest import MANIFEST_FILE, MODEL_FILE, read_manifest
from mlmesh.registry.private_copy import MAX_FILES, checked_manifest, copy_verified
from mlmesh.registry.signature import SIGNATURE_FILE, Trust, trust_of
from mlmesh.registry.store import BadVersion, StoredVersion, versions_in
from tests.registry.repository import Repository

NO_FILE_EVER = "0" * 64
Tamper = Callable[[Repository, StoredVersion], object]


def test_a_copy_holds_what_the_manifest_names_and_is_its_owners_alone(
    repository: Repository, stored: StoredVersion
) -> None:
    repository.add_file(stored, "weights.bin", b"abc")

    manifest = repository.copy(stored)

    copy = repository.copies / "copy"
    assert manifest == read_manifest(stored.folder) == read_manifest(copy)
    assert {path.name for path in copy.iterdir()} == {MANIFEST_FILE, MODEL_FILE, "weights.bin"}
    assert stat.S_IMODE(copy.stat().st_mode) == 0o700
    assert stat.S_IMODE((copy / MODEL_FILE).stat().st_mode) == 0o400
    assert (copy / MODEL_FILE).read_bytes() == (stored.folder / MODEL_FILE).read_bytes()


def test_a_blob_lies_in_the_copy_under_the_name_that_the_manifest_gives_it(
    repository: Repository, stored: StoredVersion
) -> None:
    repository.add_blob(stored, "weights.bin", b"shared")

    repository.copy(stored)

    assert (repository.copies / "copy" / "weights.bin").read_bytes() == b"shared"


def test_the_repository_itself_may_be_reached_by_a_link(
    repository: Repository, stored: StoredVersion, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(repository.root)
    linked = StoredVersion("tiny", "v1.0", tmp_path / "link" / "tiny" / "v1.0")

    assert repository.copy(linked).name == "tiny"


@pytest.mark.parametrize(
    "name",
    ["../tiny2", "..", ".", "", "/etc/hostname", "sub/file", "a\\b\0", "-rf", ".hidden", "a\nb",
     MANIFEST_FILE, SIGNATURE_FILE, "x" * 256],
)  # fmt: skip
@pytest.mark.parametrize("part", ["files", "blobs"])
def test_a_signed_name_that_is_no_plain_name_is_refused(
    part: str, name: str, repository: Repository, stored: StoredVersion
) -> None:
    said = json.loads((stored.folder / MANIFEST_FILE).read_text())
    fields: dict[str, Any] = {part: {**said[part], name: NO_FILE_EVER}}
    repository.change(stored, **fields)

    with pytest.raises(BadVersion, match=r"manifest\.json: .*(files|blobs|constrained)"):
        repository.copy(stored)


@pytest.mark.parametrize("digest", ["", "../../secret", "0" * 63, "G" * 64, "0" * 64 + "/x"])
def test_a_digest_that_is_none_is_refused(
    digest: str, repository: Repository, stored: StoredVersion
) -> None:
    repository.add_blob(stored, "weights.bin", b"shared")
    repository.change(stored, blobs={"weights.bin": digest})

    with pytest.raises(BadVersion, match=r"not a sha256 in hex|blobs"):
        repository.copy(stored)


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", ".hidden"])
def test_a_model_or_version_is_found_by_a_plain_name_only(
    name: str, repository: Repository
) -> None:
    for stored in (repository.stored(name), repository.stored("tiny", name)):
        with pytest.raises(BadVersion, match="not the name of a model or version"):
            repository.copy(stored)


def test_a_version_over_the_limit_is_refused_before_it_is_copied(
    repository: Repository, stored: StoredVersion
) -> None:
    large = stored.folder / "weights.bin"
    large.touch()
    os.truncate(large, 2**40)
    said = json.loads((stored.folder / MANIFEST_FILE).read_text())["files"]
    repository.change(stored, files={**said, large.name: NO_FILE_EVER})

    with pytest.raises(BadVersion, match="larger than the limit"):
        repository.copy(stored)


def test_the_limit_counts_files_and_blobs_together(
    repository: Repository, stored: StoredVersion
) -> None:
    repository.add_file(stored, "first.bin", b"x" * 600)
    repository.add_blob(stored, "second.bin", b"x" * 600)
    folder = stored.folder
    sizes = [(folder / name).stat().st_size for name in (MANIFEST_FILE, MODEL_FILE, "first.bin")]
    exactly = sum(sizes) + 600

    with pytest.raises(BadVersion, match="larger than the limit"):
        repository.copy(stored, max_bytes=exactly - 1)
    repository.copy(stored, max_bytes=exactly)


def test_a_manifest_names_a_limited_number_of_files(
    repository: Repository, stored: StoredVersion
) -> None:
    said = json.loads((stored.folder / MANIFEST_FILE).read_text())["files"]
    more = {f"weights-{index}": NO_FILE_EVER for index in range(MAX_FILES)}
    repository.change(stored, files={**said, **more})

    with pytest.raises(BadVersion, match=f"the limit is {MAX_FILES}"):
        repository.copy(stored)


def test_an_endless_manifest_is_refused(repository: Repository, stored: StoredVersion) -> None:
    os.truncate(stored.folder / MANIFEST_FILE, 2**40)

    with pytest.raises(BadVersion, match=r"manifest\.json: larger than"):
        repository.copy(stored)


def test_nothing_is_read_of_an_unsigned_manifest(
    repository: Repository, stored: StoredVersion
) -> None:
    repository.change(stored, signed=False, files={"../../secret": NO_FILE_EVER})

    with pytest.raises(BadVersion, match=r"manifest\.sig"):
        repository.copy(stored)


def test_production_refuses_what_development_accepts(
    repository: Repository, stored: StoredVersion
) -> None:
    production = trust_of(repository.keys, "production")

    with pytest.raises(BadVersion, match="production does not accept"):
        copy_verified(stored, repository.copies / "copy", production)
    with pytest.raises(BadVersion, match="production does not accept"):
        checked_manifest(stored, production)


def test_a_signed_manifest_that_says_nonsense_is_named_by_field(
    repository: Repository, stored: StoredVersion
) -> None:
    repository.change(stored, labels=["only-one"])

    with pytest.raises(BadVersion, match=r"manifest\.json: labels"):
        repository.copy(stored)


def test_a_copy_never_lands_in_a_folder_that_is_there(
    repository: Repository, stored: StoredVersion
) -> None:
    (repository.copies / "copy").mkdir()

    with pytest.raises(FileExistsError):
        repository.copy(stored)


def test_replacing_the_files_after_they_were_opened_changes_nothing(
    repository: Repository, stored: StoredVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = (stored.folder / MODEL_FILE).read_bytes()
    fdopen = os.fdopen

    def lose_the_race(descriptor: int, mode: str) -> object:
        if Path(f"/proc/self/fd/{descriptor}").readlink().name == MODEL_FILE:
            for name in (MODEL_FILE, MANIFEST_FILE, SIGNATURE_FILE):
                (repository.root / "evil").write_bytes(b"evil")
                (repository.root / "evil").rename(stored.folder / name)
        return fdopen(descriptor, mode)

    monkeypatch.setattr(os, "fdopen", lose_the_race)
    repository.copy(stored)

    assert (stored.folder / MODEL_FILE).read_bytes() == b"evil"
    assert (repository.copies / "copy" / MODEL_FILE).read_bytes() == content


def test_checked_manifest_reads_no_other_file(
    repository: Repository, stored: StoredVersion
) -> None:
    (stored.folder / MODEL_FILE).unlink()

    assert checked_manifest(stored, repository.trust).name == "tiny"
    with pytest.raises(BadVersion, match="not trusted"):
        checked_manifest(stored, Trust())


def test_blobs_and_hidden_folders_are_no_models(
    repository: Repository, stored: StoredVersion
) -> None:
    for name in ("blobs/x", ".new/v1.0", "tiny/.new"):
        (repository.root / name).mkdir(parents=True)
        shutil.copy(stored.folder / MANIFEST_FILE, repository.root / name)

    assert [(one.model, one.version) for one in versions_in(repository.root)] == [("tiny", "v1.0")]


def test_a_digest_is_of_the_bytes_that_lie_in_the_copy(
    repository: Repository, stored: StoredVersion
) -> None:
    manifest = repository.copy(stored)

    for name, digest in manifest.files.items():
        content = (repository.copies / "copy" / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == digest
