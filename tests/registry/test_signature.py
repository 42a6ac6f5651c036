from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from mlmesh.registry.keys import BadKey, PublicKey, development_key, make_key
from mlmesh.registry.signature import Trust, payload, sign, trust_of
from mlmesh.registry.store import BadVersion

MANIFEST = b'{"name": "tiny"}\n'


def changed(said: bytes, **fields: Any) -> bytes:
    return json.dumps({**json.loads(said), **fields}).encode()


def test_a_development_key_is_enough_for_development(tmp_path: Path) -> None:
    signature = sign(MANIFEST, development_key(tmp_path))

    trust_of(tmp_path, "development").check(MANIFEST, signature)


def test_a_release_key_is_enough_for_production(tmp_path: Path) -> None:
    signature = sign(MANIFEST, make_key(tmp_path, "team"))

    trust_of(tmp_path, "production").check(MANIFEST, signature)


def test_production_refuses_a_development_key_and_says_what_to_do(tmp_path: Path) -> None:
    signature = sign(MANIFEST, development_key(tmp_path))

    with pytest.raises(BadVersion, match=r"production does not accept.*--key release"):
        trust_of(tmp_path, "production").check(MANIFEST, signature)


def test_a_development_signature_never_passes_for_a_release(tmp_path: Path) -> None:
    key = development_key(tmp_path)
    claimed = changed(sign(MANIFEST, key), purpose="release")
    # Even where the key's public half was put in under a release key's name.
    renamed = Trust(keys=(PublicKey("team", key.public.raw),))

    with pytest.raises(BadVersion, match="is a development key"):
        trust_of(tmp_path, "production").check(MANIFEST, claimed)
    with pytest.raises(BadVersion, match="does not fit the manifest"):
        renamed.check(MANIFEST, claimed)
    with pytest.raises(BadVersion, match="is a release key"):
        renamed.check(MANIFEST, sign(MANIFEST, key))


def test_what_is_pinned_needs_no_signature() -> None:
    trust = Trust(pinned=frozenset({hashlib.sha256(MANIFEST).hexdigest()}))

    trust.check(MANIFEST, None)
    with pytest.raises(BadVersion, match=r"manifest\.sig: missing"):
        trust.check(MANIFEST + b" ", None)


def test_nobody_is_trusted_by_default(tmp_path: Path) -> None:
    signature = sign(MANIFEST, make_key(tmp_path, "team"))

    with pytest.raises(BadVersion, match="not trusted here"):
        Trust().check(MANIFEST, signature)


def test_a_key_that_comes_later_is_trusted_from_then_on(tmp_path: Path) -> None:
    trust = trust_of(tmp_path / "keys", "development")
    signature = sign(MANIFEST, development_key(tmp_path / "elsewhere"))
    with pytest.raises(BadVersion, match="not trusted here"):
        trust.check(MANIFEST, signature)

    (tmp_path / "elsewhere").rename(tmp_path / "keys")

    trust.check(MANIFEST, signature)
    (tmp_path / "keys" / "development.pub").unlink()
    with pytest.raises(BadVersion, match="not trusted here"):
        trust.check(MANIFEST, signature)


def test_a_broken_key_is_named_at_the_start_and_at_every_check(tmp_path: Path) -> None:
    signature = sign(MANIFEST, development_key(tmp_path))
    trust = trust_of(tmp_path, "development")
    (tmp_path / "broken.pub").write_text("not a key")

    with pytest.raises(BadVersion, match=r"broken\.pub: not a public key"):
        trust.check(MANIFEST, signature)
    with pytest.raises(BadKey, match=r"broken\.pub"):
        trust_of(tmp_path, "development")


def test_a_changed_manifest_or_signature_is_refused(tmp_path: Path) -> None:
    signature = sign(MANIFEST, development_key(tmp_path))
    trust = trust_of(tmp_path, "development")
    raw = bytearray(base64.b64decode(json.loads(signature)["signature"]))
    raw[0] ^= 1

    for manifest, said in (
        (MANIFEST + b" ", signature),
        (MANIFEST, changed(signature, signature=base64.b64encode(raw).decode())),
        (MANIFEST, changed(signature, signature=base64.b64encode(raw[:-1]).decode())),
        (MANIFEST, changed(signature, signature="")),
        (MANIFEST, changed(signature, signature="not base64!")),
    ):
        with pytest.raises(BadVersion, match="does not fit the manifest"):
            trust.check(manifest, said)


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"{}",
        b"[1]",
        b"\xff\xfe",
        b'{"key": "../x", "purpose": "release", "signature": ""}',
        b'{"key": "0123456789abcdef", "purpose": "any", "signature": ""}',
        b'{"key": "0123456789abcdef", "purpose": "release", "signature": "", "more": 1}',
    ],
)
def test_what_is_no_signature_is_refused(tmp_path: Path, broken: bytes) -> None:
    development_key(tmp_path)

    with pytest.raises(BadVersion, match="not a signature"):
        trust_of(tmp_path, "development").check(MANIFEST, broken)


def test_a_signature_cut_short_is_refused_wherever_it_is_cut(tmp_path: Path) -> None:
    signature = sign(MANIFEST, development_key(tmp_path)).rstrip()
    trust = trust_of(tmp_path, "development")

    for length in range(len(signature)):
        with pytest.raises(BadVersion):
            trust.check(MANIFEST, signature[:length])


def test_what_is_signed_names_its_use_and_its_purpose() -> None:
    assert payload(b"m", "release") == b"mlmesh model manifest, signature format 1\0release\0m"
