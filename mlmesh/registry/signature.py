"""Who vouches for a version: an ed25519 signature over its manifest, or a digest that is pinned.

`manifest.sig` lies beside `manifest.json`. What is signed names the purpose of the key, so that no
signature by a development key ever passes for a release.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mlmesh.registry.keys import BadKey, PrivateKey, PublicKey, Purpose, public_keys
from mlmesh.registry.store import BadVersion

SIGNATURE_FILE = "manifest.sig"
CONTEXT = b"mlmesh model manifest, signature format 1"
Profile = Literal["development", "production"]


class Signature(BaseModel):
    """What `manifest.sig` says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str = Field(pattern=r"^[0-9a-f]{16}$")
    """Which key signed; see PublicKey.id."""
    purpose: Purpose
    signature: str
    """Base64 of the 64 bytes."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom to believe. By default: nobody."""

    pinned: frozenset[str] = frozenset()
    """sha256 (hex) of manifests that need no signature: those of the models shipped in the tree."""
    keys: tuple[PublicKey, ...] = ()
    folder: Path | None = None
    """Keys, too: every .pub file that lies there when something is checked, so that a key which was
    made while the server runs counts."""
    development: bool = False
    """Whether the signatures of development keys count; not in production."""

    def check(self, manifest: bytes, signature: bytes | None) -> None:
        """Raise BadVersion unless somebody trusted vouches for exactly these bytes.

        signature: what manifest.sig holds, None where there is no such file.
        """
        if hashlib.sha256(manifest).hexdigest() in self.pinned:
            return
        if signature is None:
            raise BadVersion(
                f"{SIGNATURE_FILE}: missing, and this version is not one of those that are trusted "
                "without; sign it with `mlmesh models sign`, or register it anew"
            )
        said = _read(signature)
        key = next((key for key in self._all_keys() if key.id == said.key), None)
        if key is None:
            raise BadVersion(
                f"{SIGNATURE_FILE}: made by key {said.key}, which is not trusted here; "
                "put its .pub file into the folder of keys, or sign with a key that is there"
            )
        if said.purpose != key.purpose:
            raise BadVersion(
                f"{SIGNATURE_FILE}: says {said.purpose}, but {key.name} is a {key.purpose} key; "
                "sign again with `mlmesh models sign`"
            )
        self._refuse_development(key)
        try:
            Ed25519PublicKey.from_public_bytes(key.raw).verify(
                _decoded(said.signature), payload(manifest, said.purpose)
            )
        except InvalidSignature:
            raise BadVersion(
                f"{SIGNATURE_FILE}: does not fit the manifest, so one of the two was changed after "
                "signing; register the version anew"
            ) from None

    def _all_keys(self) -> tuple[PublicKey, ...]:
        if self.folder is None:
            return self.keys
        try:
            return (*self.keys, *public_keys(self.folder))
        except BadKey as error:
            raise BadVersion(f"{SIGNATURE_FILE}: cannot be checked: {error}") from None

    def _refuse_development(self, key: PublicKey) -> None:
        if key.purpose == "development" and not self.development:
            raise BadVersion(
                f"{SIGNATURE_FILE}: made by the development key {key.id}, which production does "
                "not accept; sign it with a release key: `mlmesh models sign MODEL VERSION "
                "--key release`"
            )


def payload(manifest: bytes, purpose: Purpose) -> bytes:
    """The bytes that are signed."""
    return b"\0".join([CONTEXT, purpose.encode(), manifest])


def sign(manifest: bytes, key: PrivateKey) -> bytes:
    """What to write into manifest.sig for a manifest's exact bytes."""
    signature = key.sign(payload(manifest, key.purpose))
    said = Signature(
        key=key.public.id, purpose=key.purpose, signature=base64.b64encode(signature).decode()
    )
    return said.model_dump_json(indent=2).encode() + b"\n"


def trust_of(keys_folder: Path, profile: Profile, pinned: Iterable[str] = ()) -> Trust:
    """Trust every .pub file of a folder, and the manifests of these sha256; raises BadKey."""
    list(public_keys(keys_folder))  # A broken one is better known now than at the first check.
    return Trust(frozenset(pinned), folder=keys_folder, development=profile == "development")


def _read(content: bytes) -> Signature:
    try:
        return Signature.model_validate_json(content)
    except ValidationError as error:
        problem = error.errors()[0]["msg"]
        raise BadVersion(
            f"{SIGNATURE_FILE}: not a signature ({problem}); sign again with `mlmesh models sign`"
        ) from None


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise InvalidSignature from None
