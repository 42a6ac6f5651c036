"""Puts versions into a repository, and takes them out again, so that readers never see half of one.

A version is made in a hidden folder of the repository and moved into its place at once.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mlmesh.registration.refusal import Refused
from mlmesh.registry.keys import PrivateKey
from mlmesh.registry.manifest import MANIFEST_FILE, MODEL_FILE, NAME_PATTERN, Manifest, sha256_of
from mlmesh.registry.pointers import Pointers, change_pointers, read_pointers
from mlmesh.registry.signature import SIGNATURE_FILE, Trust, sign
from mlmesh.registry.store import BLOBS_FOLDER, BadVersion, StoredVersion, versions_in

LOCK_FILE = ".lock"
MAKING = ".making-"
REMOVING = ".removing-"
LEFT_BEHIND_SECONDS = 86_400.0
_NUMBERED = re.compile(r"v(\d{1,9})(\..*)?")


@contextmanager
def staged(root: Path, model: str, version: str) -> Iterator[StoredVersion]:
    """An empty folder to make a version in; what is left of it is removed after the block."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        _remove_left_behind(root)
        making = Path(tempfile.mkdtemp(dir=root, prefix=MAKING))
    except OSError as error:
        raise Refused(f"repository: {root}: {error.strerror}") from None
    try:
        folder = making / model / version
        folder.mkdir(parents=True)
        yield StoredVersion(model, version, folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _remove_left_behind(root: Path) -> None:
    """Remove what a process that was killed began to make, once it is surely nobody's."""
    for folder in (*root.glob(f"{MAKING}*"), *root.glob(f"{REMOVING}*")):
        if time.time() - folder.lstat().st_mtime > LEFT_BEHIND_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)


def share_large_files(stored: StoredVersion, least_bytes: int) -> dict[str, str]:
    """Move files beside model.onnx that have this many bytes to the blobs of the staged version.

    Gives their sha256 by name: the `blobs` of the manifest.
    """
    blobs: dict[str, str] = {}
    for path in sorted(stored.folder.iterdir()):
        if path.name != MODEL_FILE and path.stat().st_size >= least_bytes:
            folder = stored.root / BLOBS_FOLDER
            folder.mkdir(exist_ok=True)
            blobs[path.name] = sha256_of(path)
            path.rename(folder / blobs[path.name])
    return blobs


def write_signed(stored: StoredVersion, manifest: Manifest, key: PrivateKey) -> None:
    """Write manifest.json and manifest.sig."""
    content = manifest.model_dump_json(indent=2).encode() + b"\n"
    (stored.folder / MANIFEST_FILE).write_bytes(content)
    (stored.folder / SIGNATURE_FILE).write_bytes(sign(content, key))


def sign_again(stored: StoredVersion, key: PrivateKey, trust: Trust) -> None:
    """Replace the signature of a version that is in its place; raises BadVersion unless somebody
    trusted vouches for what would be signed."""
    try:
        content = (stored.folder / MANIFEST_FILE).read_bytes()
        trust.check(content, (stored.folder / SIGNATURE_FILE).read_bytes())
    except OSError as error:
        raise BadVersion(f"{error.filename}: {error.strerror}") from None
    making = stored.folder.with_name(f".{stored.version}.sig")
    making.write_bytes(sign(content, key))
    making.chmod(0o644)
    making.rename(stored.folder / SIGNATURE_FILE)


def publish(staged: StoredVersion, root: Path) -> StoredVersion:
    """Move a staged version, and its blobs, into their place; raises Refused if it is taken."""
    place = root / staged.model / staged.version
    for path in staged.root.rglob("*"):
        if path.is_file():
            path.chmod(0o644)
            _sync(path)
    try:
        place.parent.mkdir(exist_ok=True)
        with locked(root):
            if place.exists():
                raise FileExistsError
            _publish_blobs(staged.root / BLOBS_FOLDER, root / BLOBS_FOLDER)
            staged.folder.chmod(0o755)
            staged.folder.rename(place)
            _sync(place.parent)
    except FileExistsError:
        raise Refused(
            f"version: {staged.model} {staged.version} is there already, and versions are never "
            "overwritten; choose another with --version, or leave it out for the next one"
        ) from None
    except OSError as error:
        raise Refused(f"repository: {error.filename or root}: {error.strerror}") from None
    return StoredVersion(staged.model, staged.version, place)


def _publish_blobs(made: Path, place: Path) -> None:
    if made.is_dir():
        place.mkdir(exist_ok=True)
        for blob in made.iterdir():
            blob.rename(place / blob.name)
        _sync(place)


def next_version(model: str, roots: Sequence[Path]) -> str:
    """v1.0, or the whole number after the largest one that is there."""
    taken = [stored.version for root in roots for stored in versions_in(root)
             if stored.model == model]  # fmt: skip
    numbers = [int(found[1]) for one in taken if (found := _NUMBERED.fullmatch(one))]
    return f"v{max(numbers, default=0) + 1}.0"


def check_name(field: str, name: str) -> None:
    """Raise Refused unless a model or version may be called so."""
    if not re.fullmatch(NAME_PATTERN, name) or name == BLOBS_FOLDER:
        raise Refused(
            f"{field}: {name!r} is none; begin with a small letter or digit, use at most 64 small "
            f"letters, digits, '.', '_' and '-', and not {BLOBS_FOLDER!r}"
        )


def remove_version(root: Path, stored: StoredVersion) -> int:
    """Remove a version, what points to it, and the blobs that no other needs; gives freed bytes."""
    try:
        with locked(root):
            size = _bytes_in(stored.folder)
            leaving = Path(tempfile.mkdtemp(dir=root, prefix=REMOVING))
            stored.folder.rename(leaving / stored.version)
            shutil.rmtree(leaving)
            size += _remove_unused_blobs(root)
    except OSError as error:
        raise Refused(f"repository: {error.filename or root}: {error.strerror}") from None
    if read_pointers(root, stored.model) != Pointers():
        change_pointers(root, stored.model, lambda said: without(said, stored.version))
    return size


def without(said: Pointers, version: str) -> Pointers:
    """The same pointers, none of which names a version."""
    return Pointers(
        default="" if said.default == version else said.default,
        labels={label: one for label, one in said.labels.items() if one != version},
        unloaded=tuple(one for one in said.unloaded if one != version),
    )


def _remove_unused_blobs(root: Path) -> int:
    """Remove blobs that no manifest names; none while there is a manifest that cannot be read."""
    folder = root / BLOBS_FOLDER
    if not folder.is_dir():
        return 0
    needed: set[str] = set()
    for stored in versions_in(root):
        try:
            content = (stored.folder / MANIFEST_FILE).read_bytes()
            needed |= set(Manifest.model_validate_json(content).blobs.values())
        except (OSError, ValueError):
            return 0
    unused = [path for path in folder.iterdir() if path.name not in needed]
    size = sum(path.lstat().st_size for path in unused)
    for path in unused:
        path.unlink()
    return size


def _bytes_in(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*"))


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Wait until nobody else adds to the repository or removes from it."""
    descriptor = os.open(root / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
