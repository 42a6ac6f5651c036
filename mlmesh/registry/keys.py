"""The ed25519 keys that versions are signed with: a folder with `<name>.key` and `<name>.pub`.

The key named `development` is made on first use, and whatever it signs says so; every other name is
that of a release key. Both files are PEM, as `openssl genpkey -algorithm ed25519` writes them.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization as pem
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

Purpose = Literal["development", "release"]
DEVELOPMENT_KEY = "development"
LARGEST_FILE = 16 * 2**10
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


class BadKey(Exception):
    """A key cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """What recognises a signature."""

    name: str
    raw: bytes
    """The 32 bytes of an ed25519 public key."""

    @property
    def id(self) -> str:
        """16 hex digits that name the key wherever its file lies."""
        return hashlib.sha256(self.raw).hexdigest()[:16]

    @property
    def purpose(self) -> Purpose:
        return "development" if self.name == DEVELOPMENT_KEY else "release"


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """What signs."""

    name: str
    _key: Ed25519PrivateKey

    @property
    def public(self) -> PublicKey:
        return PublicKey(self.name, self._key.public_key().public_bytes_raw())

    @property
    def purpose(self) -> Purpose:
        return self.public.purpose

    def sign(self, content: bytes) -> bytes:
        """64 bytes."""
        return self._key.sign(content)


def public_keys(folder: Path) -> Iterator[PublicKey]:
    """Every `.pub` of a folder, by name; none when there is no such folder. Raises BadKey.

    The message does not say where the folder lies: callers of a server get to read it.
    """
    for path in sorted(folder.glob("*.pub")):
        called = path.name
        try:
            key = pem.load_pem_public_key(_content(path, called))
        except OSError as error:
            raise BadKey(f"{called}: {error.strerror}; remove it or put it right") from None
        except (ValueError, UnsupportedAlgorithm):
            raise BadKey(f"{called}: not a public key in PEM; remove it or put it right") from None
        if not isinstance(key, Ed25519PublicKey):
            raise BadKey(f"{called}: not an ed25519 key, and no other kind is used; remove it")
        yield PublicKey(path.stem, key.public_bytes_raw())


def development_key(folder: Path) -> PrivateKey:
    """The key of this machine's developer; made when it is not there. Raises BadKey."""
    return make_key(folder, DEVELOPMENT_KEY)


def make_key(folder: Path, name: str) -> PrivateKey:
    """The key of that name; made, with its public half beside it, when it is not there."""
    if not _NAME.fullmatch(name):
        raise BadKey(f"{name!r} cannot name a key: use small letters, digits, - and _")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_new(folder / f"{name}.key", _private_pem(Ed25519PrivateKey.generate()), 0o600)
        key = read_key(folder, name)
        _write_new(folder / f"{name}.pub", _public_pem(key.public), 0o644)
    except OSError as error:
        raise BadKey(f"{folder}: cannot make a key there: {error.strerror}") from None
    return key


def read_key(folder: Path, name: str) -> PrivateKey:
    """A private key that is there already; raises BadKey."""
    path = folder / f"{name}.key"
    try:
        content = _content(path, str(path), private=True)
        key = pem.load_pem_private_key(content, password=None)
    except FileNotFoundError:
        raise BadKey(
            f"{path}: no such key; make it with `mlmesh models key {name}`, or name another"
        ) from None
    except OSError as error:
        raise BadKey(f"{path}: {error.strerror}") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadKey(f"{path}: not a private key in PEM without a password") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise BadKey(f"{path}: not an ed25519 key, and no other kind is used")
    return PrivateKey(name, key)


def _content(path: Path, called: str, *, private: bool = False) -> bytes:
    # Not blocking, for it may be a pipe that nobody writes to.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise BadKey(f"{called}: not a regular file")
        if private and found.st_mode & 0o077:
            raise BadKey(f"{called}: others may read it; keep it to yourself: chmod 600 {path}")
        return os.read(descriptor, LARGEST_FILE)
    finally:
        os.close(descriptor)


def _write_new(path: Path, content: bytes, mode: int) -> None:
    """Write a whole file or, where one is already, nothing; two writers at once agree on one."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".")
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        with suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        Path(temporary).unlink()


def _private_pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.NoEncryption())


def _public_pem(key: PublicKey) -> bytes:
    return Ed25519PublicKey.from_public_bytes(key.raw).public_bytes(
        pem.Encoding.PEM, pem.PublicFormat.SubjectPublicKeyInfo
    )
