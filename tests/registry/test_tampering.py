from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mlmesh.registry.manifest import MANIFEST_FILE, MODEL_FILE
from mlmesh.registry.signature import SIGNATURE_FILE
from mlmesh.registry.store import BadVersion, StoredVersion
from tests.registry.repository import Repository

Tamper = Callable[[Repository, StoredVersion], object]


def link_file(repository: Repository, stored: StoredVersion) -> None:
    elsewhere = (stored.folder / MODEL_FILE).rename(repository.root / "elsewhere")
    (stored.folder / MODEL_FILE).symlink_to(elsewhere)


def link_manifest(repository: Repository, stored: StoredVersion) -> None:
    elsewhere = (stored.folder / MANIFEST_FILE).rename(repository.root / "elsewhere")
    (stored.folder / MANIFEST_FILE).symlink_to(elsewhere)


def link_signature(repository: Repository, stored: StoredVersion) -> None:
    elsewhere = (stored.folder / SIGNATURE_FILE).rename(repository.root / "elsewhere")
    (stored.folder / SIGNATURE_FILE).symlink_to(elsewhere)


def link_version(repository: Repository, stored: StoredVersion) -> None:
    elsewhere = stored.folder.rename(repository.root / "elsewhere")
    stored.folder.symlink_to(elsewhere)


def link_model(repository: Repository, stored: StoredVersion) -> None:
    elsewhere = stored.folder.parent.rename(repository.root / "elsewhere")
    stored.folder.parent.symlink_to(elsewhere)


def hard_link(repository: Repository, stored: StoredVersion) -> None:
    os.link(stored.folder / MODEL_FILE, repository.root / "another-name")


def hard_link_manifest(repository: Repository, stored: StoredVersion) -> None:
    os.link(stored.folder / MANIFEST_FILE, repository.root / "another-name")


def replace_by_pipe(repository: Repository, stored: StoredVersion) -> None:
    (stored.folder / MODEL_FILE).unlink()
    os.mkfifo(stored.folder / MODEL_FILE)


def replace_manifest_by_pipe(repository: Repository, stored: StoredVersion) -> None:
    (stored.folder / MANIFEST_FILE).unlink()
    os.mkfifo(stored.folder / MANIFEST_FILE)


def replace_by_folder(repository: Repository, stored: StoredVersion) -> None:
    (stored.folder / MODEL_FILE).unlink()
    (stored.folder / MODEL_FILE).mkdir()


def replace_version_by_pipe(repository: Repository, stored: StoredVersion) -> None:
    shutil.rmtree(stored.folder)
    os.mkfifo(stored.folder)


def change_byte(repository: Repository, stored: StoredVersion) -> None:
    content = bytearray((stored.folder / MODEL_FILE).read_bytes())
    content[len(content) // 2] ^= 1
    (stored.folder / MODEL_FILE).write_bytes(content)


def sign_in_the_name_of_another(repository: Repository, stored: StoredVersion) -> None:
    other = repository.add("other")
    shutil.copy(other.folder / SIGNATURE_FILE, stored.folder / SIGNATURE_FILE)


def move_another_here(repository: Repository, stored: StoredVersion) -> None:
    other = repository.add("other")
    shutil.rmtree(stored.folder)
    other.folder.rename(stored.folder)


def move_another_version_here(repository: Repository, stored: StoredVersion) -> None:
    older = repository.add(version="v0.9")
    shutil.rmtree(stored.folder)
    older.folder.rename(stored.folder)


def sign_with_a_stranger(repository: Repository, stored: StoredVersion) -> None:
    stranger = Repository(repository.root, repository.copies / "keys", repository.copies)
    repository.sign(stored, stranger.key)


TAMPERING: dict[str, tuple[Tamper, str]] = {
    "a linked file": (link_file, r"model\.onnx: .*links are not followed"),
    "a linked manifest": (link_manifest, r"manifest\.json: .*links are not followed"),
    "a linked signature": (link_signature, r"manifest\.sig: .*links are not followed"),
    "a linked version": (link_version, r"tiny/v1\.0: .*links are not followed"),
    "a linked model": (link_model, "tiny: .*links are not followed"),
    "a hard link": (hard_link, r"model\.onnx: a hard link"),
    "a hard link to the manifest": (hard_link_manifest, r"manifest\.json: a hard link"),
    "a pipe": (replace_by_pipe, r"model\.onnx: not a regular file"),
    "a pipe as manifest": (replace_manifest_by_pipe, r"manifest\.json: not a regular file"),
    "a pipe as version": (replace_version_by_pipe, r"tiny/v1\.0: Not a directory"),
    "a folder as file": (replace_by_folder, r"model\.onnx: not a regular file"),
    "a lost file": (
        lambda _, stored: (stored.folder / MODEL_FILE).unlink(),
        r"model\.onnx: No such file",
    ),
    "a lost manifest": (
        lambda _, stored: (stored.folder / MANIFEST_FILE).unlink(),
        r"manifest\.json: No such file",
    ),
    "an extra file": (
        lambda _, stored: (stored.folder / "notes.txt").touch(),
        r"'notes\.txt': not one of the files",
    ),
    "an extra hidden file": (
        lambda _, stored: (stored.folder / ".hidden").touch(),
        r"'\.hidden': not one of the files",
    ),
    "an extra folder": (
        lambda _, stored: (stored.folder / "extra").mkdir(),
        "'extra': not one of the files",
    ),
    "a changed byte": (change_byte, r"model\.onnx: .*sha256 differs"),
    "a byte more": (
        lambda _, stored: os.truncate(stored.folder / MODEL_FILE, 5000),
        r"model\.onnx: .*sha256 differs",
    ),
    "a changed manifest": (
        lambda repository, stored: repository.change(stored, signed=False, description="better"),
        r"manifest\.sig: does not fit",
    ),
    "a lost signature": (
        lambda _, stored: (stored.folder / SIGNATURE_FILE).unlink(),
        r"manifest\.sig: missing",
    ),
    "an empty signature": (
        lambda _, stored: (stored.folder / SIGNATURE_FILE).write_bytes(b""),
        r"manifest\.sig: not a signature",
    ),
    "an endless signature": (
        lambda _, stored: (stored.folder / SIGNATURE_FILE).write_bytes(b" " * 5000),
        r"manifest\.sig: larger than",
    ),
    "a stranger's signature": (sign_with_a_stranger, r"manifest\.sig: .*not trusted here"),
    "another model's signature": (sign_in_the_name_of_another, r"manifest\.sig: does not fit"),
    "another model in its place": (move_another_here, "is of other v1.0, but lies in tiny/v1.0"),
    "an older version in its place": (move_another_version_here, "is of tiny v0.9, but lies in"),
}


@pytest.mark.parametrize("way", TAMPERING)
def test_tampering_is_refused_and_leaves_no_copy(
    way: str, repository: Repository, stored: StoredVersion
) -> None:
    tamper, reason = TAMPERING[way]
    repository.copy(stored)
    shutil.rmtree(repository.copies / "copy")

    tamper(repository, stored)

    with pytest.raises(BadVersion, match=reason):
        repository.copy(stored)
    assert not (repository.copies / "copy").exists()


def blob_of(repository: Repository) -> Path:
    [blob] = (repository.root / "blobs").iterdir()
    return blob


def link_blob(repository: Repository) -> None:
    blob = blob_of(repository)
    blob.symlink_to(blob.rename(repository.root / "elsewhere"))


def link_blobs(repository: Repository) -> None:
    folder = repository.root / "blobs"
    folder.symlink_to(folder.rename(repository.root / "elsewhere"))


BLOB_TAMPERING: dict[str, tuple[Callable[[Repository], object], str]] = {
    "changed": (lambda one: blob_of(one).write_bytes(b"shareD"), r"weights\.bin: .*sha256 differs"),
    "gone": (lambda one: blob_of(one).unlink(), r"weights\.bin: blobs/.*No such file"),
    "a link": (link_blob, r"weights\.bin: blobs/.*links are not followed"),
    "in a linked folder": (link_blobs, "blobs: .*links are not followed"),
    "a hard link": (
        lambda one: os.link(blob_of(one), one.root / "other"),
        r"weights\.bin: blobs/.*a hard link",
    ),
}


@pytest.mark.parametrize("way", BLOB_TAMPERING)
def test_tampering_with_a_blob_is_refused(
    way: str, repository: Repository, stored: StoredVersion
) -> None:
    tamper, reason = BLOB_TAMPERING[way]
    repository.add_blob(stored, "weights.bin", b"shared")

    tamper(repository)

    with pytest.raises(BadVersion, match=reason):
        repository.copy(stored)
