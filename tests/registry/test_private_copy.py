from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
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


def pickled(protocol: int) -> bytes:
    return pickle.dumps({"weights": [1, 2, 3]}, protocol)


def zipped(folder: Path) -> bytes:
    with zipfile.ZipFile(folder / "new.zip", "w") as archive:
        archive.writestr("data.pkl", pickled(2))
    return (folder / "new.zip").read_bytes()


def npy(folder: Path) -> bytes:
    np.save(folder / "new.npy", np.array([{"any": "object"}]), allow_pickle=True)
    return (folder / "new.npy").read_bytes()


CONTENTS: dict[str, Callable[[Path], bytes]] = {
    "native library": lambda _: Path("/bin/true").resolve().read_bytes(),
    "native library (Windows)": lambda _: (
        b"MZ" + b"\0" * 58 + (64).to_bytes(4, "little") + b"PE\0\0" + b"\0" * 64
    ),
    "native library (macOS)": lambda _: bytes.fromhex("cffaedfe") + b"\0" * 60,
    "pickle 2": lambda _: pickled(2),
    "pickle 3": lambda _: pickled(3),
    "pickle 4": lambda _: pickled(4),
    "pickle 5": lambda _: pickled(5),
    "zip": zipped,
    "numpy": npy,
}


@pytest.mark.parametrize("kind", CONTENTS)
@pytest.mark.parametrize("as_blob", [False, True])
def test_what_is_no_data_is_refused_whatever_its_name(
    kind: str, as_blob: bool, repository: Repository, stored: StoredVersion, tmp_path: Path
) -> None:
    content = CONTENTS[kind](tmp_path)
    add = repository.add_blob if as_blob else repository.add_file
    add(stored, "weights.bin", content)

    with pytest.raises(BadVersion, match=rf"weights\.bin: .*{kind.split()[0]}"):
        repository.copy(stored)


@pytest.mark.parametrize(
    "name", ["ops.so", "ops.so.1", "OPS.DLL", "ops.dylib", "hook.py", "w.pkl", "w.pt", "w.npz",
             "w.zip", "w.tar"],
)  # fmt: skip
@pytest.mark.parametrize("as_blob", [False, True])
def test_what_is_no_data_by_its_name_is_refused(
    name: str, as_blob: bool, repository: Repository, stored: StoredVersion
) -> None:
    add = repository.add_blob if as_blob else repository.add_file
    add(stored, name, b"harmless")

    with pytest.raises(BadVersion, match=rf"{name}: an? "):
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
