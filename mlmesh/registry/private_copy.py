"""A version's files, copied to where nobody else can change them, and checked on the way.

Whatever is checked is read from the same open file that is copied, so replacing a file between the
check and the use of it changes nothing. Folders and files are opened one by one, never by a link.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pydantic import ValidationError

from mlmesh.registry.contents import refused_content, refused_name
from mlmesh.registry.manifest import MANIFEST_FILE, MODEL_FILE, Manifest
from mlmesh.registry.signature import SIGNATURE_FILE, Trust
from mlmesh.registry.store import BLOBS_FOLDER, BadVersion, StoredVersion

MAX_BYTES = 16 * 2**30
MAX_MANIFEST_BYTES = 16 * 2**20
MAX_SIGNATURE_BYTES = 4096
MAX_FILES = 256
_CHUNK = 2**20
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# Not blocking, for it may be a pipe that nobody writes to.
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,254}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def copy_verified(
    stored: StoredVersion, target: Path, trust: Trust, *, max_bytes: int = MAX_BYTES
) -> Manifest:
    """Copy a version into the folder `target`, which must not be there yet; raises BadVersion.

    Nothing is read before somebody trusted vouches for the manifest. What is there afterwards is
    readable for this user only: manifest.json, the files that it names, and the blobs under the
    names that it gives them. max_bytes: of all files together.
    """
    _make(target)
    try:
        with ExitStack() as stack:
            return _copy(_opened(stored, stack), stored, target, trust, max_bytes)
    except BaseException as error:
        shutil.rmtree(target, ignore_errors=True)
        if isinstance(error, OSError):
            raise _not_made(error) from error
        raise


def checked_manifest(stored: StoredVersion, trust: Trust) -> Manifest:
    """The manifest of a version, if somebody trusted vouches for it; raises BadVersion.

    For lists and figures: the files that it names are not looked at.
    """
    with ExitStack() as stack:
        return _manifest(_opened(stored, stack).version, stored, trust)[0]


def _make(target: Path) -> None:
    try:
        target.mkdir(mode=0o700)
    except FileExistsError:
        raise
    except OSError as error:
        raise _not_made(error) from error


def _not_made(error: OSError) -> BadVersion:
    return BadVersion(f"the private copy cannot be made: {error.strerror}")


@dataclass(frozen=True, slots=True)
class _Folders:
    """Open folders, by descriptor."""

    root: int
    version: int


def _opened(stored: StoredVersion, stack: ExitStack) -> _Folders:
    for name in (stored.model, stored.version):
        if not _PLAIN_NAME.fullmatch(name):
            raise BadVersion(f"{name!r}: not the name of a model or version")
    root = stack.enter_context(_folder(str(stored.root), "the repository", follow=True))
    model = stack.enter_context(_folder(stored.model, stored.model, root))
    version = stack.enter_context(
        _folder(stored.version, f"{stored.model}/{stored.version}", model)
    )
    return _Folders(root, version)


def _copy(
    folders: _Folders, stored: StoredVersion, target: Path, trust: Trust, max_bytes: int
) -> Manifest:
    manifest, content = _manifest(folders.version, stored, trust)
    _check_names(manifest)
    _refuse_extra(folders.version, manifest)
    copier = _Copier(target, max_bytes - len(content))
    (target / MANIFEST_FILE).write_bytes(content)
    for name, digest in manifest.files.items():
        with _file(name, name, folders.version) as file:
            copier.copy(file, name, digest)
    if manifest.blobs:
        with _folder(BLOBS_FOLDER, BLOBS_FOLDER, folders.root) as blobs:
            for name, digest in manifest.blobs.items():
                with _file(digest, f"{name}: {BLOBS_FOLDER}/{digest}", blobs) as file:
                    copier.copy(file, name, digest)
    return manifest


def _manifest(version: int, stored: StoredVersion, trust: Trust) -> tuple[Manifest, bytes]:
    content = _read(version, MANIFEST_FILE, MAX_MANIFEST_BYTES)
    signed = SIGNATURE_FILE in os.listdir(version)
    signature = _read(version, SIGNATURE_FILE, MAX_SIGNATURE_BYTES) if signed else None
    trust.check(content, signature)
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        raise BadVersion(_problem(error)) from None
    if (manifest.name, manifest.version) != (stored.model, stored.version):
        raise BadVersion(
            f"{MANIFEST_FILE}: is of {manifest.name} {manifest.version}, but lies in "
            f"{stored.model}/{stored.version}; move it back, or register the model by this name"
        )
    return manifest, content


def _check_names(manifest: Manifest) -> None:
    files: Mapping[str, str] = {**manifest.files, **manifest.blobs}
    if manifest.name == BLOBS_FOLDER:
        raise BadVersion(f"{MANIFEST_FILE}: name: no model can be called {BLOBS_FOLDER}")
    if len(files) > MAX_FILES:
        raise BadVersion(
            f"{MANIFEST_FILE}: files: {len(files)}, the limit is {MAX_FILES}; "
            "put the external data into fewer files"
        )
    for name, digest in files.items():
        if not _PLAIN_NAME.fullmatch(name) or name in (MANIFEST_FILE, SIGNATURE_FILE):
            raise BadVersion(f"{MANIFEST_FILE}: files: {name!r} is not a plain file name")
        if not _SHA256.fullmatch(digest):
            raise BadVersion(f"{MANIFEST_FILE}: files: {name}: {digest!r} is not a sha256 in hex")
        if reason := refused_name(name):
            raise BadVersion(f"{name}: {reason}")
    if MODEL_FILE in manifest.blobs:
        raise BadVersion(f"{MANIFEST_FILE}: blobs: {MODEL_FILE} must lie in the version itself")


def _refuse_extra(version: int, manifest: Manifest) -> None:
    allowed = {MANIFEST_FILE, SIGNATURE_FILE, *manifest.files}
    if extra := sorted(set(os.listdir(version)) - allowed):
        raise BadVersion(
            f"{extra[0]!r}: not one of the files that {MANIFEST_FILE} names; remove it "
            "from the version's folder"
        )


@dataclass(slots=True)
class _Copier:
    """Copies files while it hashes them, up to a number of bytes for all."""

    target: Path
    left: int
    """Bytes that may still be copied."""

    def copy(self, file: BinaryIO, name: str, digest: str) -> None:
        if os.fstat(file.fileno()).st_size > self.left:
            self._refuse_size()
        if reason := refused_content(file):
            raise BadVersion(f"{name}: {reason}")
        found = hashlib.sha256()
        with (self.target / name).open("xb") as copy:
            os.fchmod(copy.fileno(), 0o400)
            while chunk := file.read(_CHUNK):
                self.left -= len(chunk)
                if self.left < 0:  # It grows while it is read.
                    self._refuse_size()
                found.update(chunk)
                copy.write(chunk)
        if found.hexdigest() != digest:
            raise BadVersion(
                f"{name}: not the file that the manifest names, its sha256 differs; "
                "restore it, or register the version anew"
            )

    def _refuse_size(self) -> None:
        raise BadVersion(
            "files: together larger than the limit for one version; raise the limit, or use less "
            "precise weights: `mlmesh models quantize`"
        )


@contextmanager
def _folder(
    path: str, called: str, parent: int | None = None, *, follow: bool = False
) -> Iterator[int]:
    try:
        descriptor = os.open(path, _FOLDER | (0 if follow else os.O_NOFOLLOW), dir_fd=parent)
    except OSError as error:
        # Linux says of a link that it is no folder.
        link = " (links are not followed)" if error.errno in (errno.ELOOP, errno.ENOTDIR) else ""
        raise BadVersion(f"{called}: {error.strerror}{link}") from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _file(name: str, called: str, folder: int) -> Iterator[BinaryIO]:
    """Open a regular file that has no other name."""
    try:
        descriptor = os.open(name, _FILE, dir_fd=folder)
    except OSError as error:
        link = " (links are not followed)" if error.errno == errno.ELOOP else ""
        raise BadVersion(f"{called}: {error.strerror}{link}") from None
    try:
        _check_kind(os.fstat(descriptor), called)
    except BaseException:
        os.close(descriptor)
        raise
    with os.fdopen(descriptor, "rb") as file:
        yield file


def _check_kind(found: os.stat_result, called: str) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise BadVersion(f"{called}: not a regular file")
    if found.st_nlink > 1:
        raise BadVersion(
            f"{called}: a hard link, so it can be changed elsewhere; put a copy in its place"
        )


def _read(folder: int, name: str, limit: int) -> bytes:
    with _file(name, name, folder) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise BadVersion(f"{name}: larger than {limit:,} bytes")
    return content


def _problem(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    problem = first["msg"].removeprefix("Value error, ")
    return ": ".join(filter(None, [MANIFEST_FILE, where, problem]))
