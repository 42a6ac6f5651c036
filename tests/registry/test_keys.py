from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization as pem
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

from mlmesh.registry.keys import (
    BadKey,
    development_key,
    make_key,
    public_keys,
    read_key,
)

MAKE_KEY = """
import sys
from pathlib import Path
from mlmesh.registry.keys import development_key
print(development_key(Path(sys.argv[1])).public.id)
"""


def test_a_key_is_made_once_and_kept_to_its_owner(tmp_path: Path) -> None:
    folder = tmp_path / "var" / "keys"

    first, second = development_key(folder), development_key(folder)

    assert first.public == second.public
    assert stat.S_IMODE((folder / "development.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {path.name for path in folder.iterdir()} == {"development.key", "development.pub"}


def test_processes_that_make_the_key_at_once_agree_on_one(tmp_path: Path) -> None:
    command = (sys.executable, "-c", MAKE_KEY, str(tmp_path / "keys"))
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]

    ids = {process.communicate()[0] for process in running}

    assert ids == {development_key(tmp_path / "keys").public.id + "\n"}


def test_only_the_name_development_makes_a_development_key(tmp_path: Path) -> None:
    keys = {"development": development_key(tmp_path), "team": make_key(tmp_path, "team")}

    assert {name: key.purpose for name, key in keys.items()} == {
        "development": "development",
        "team": "release",
    }
    assert {key.name: key for key in public_keys(tmp_path)} == {
        name: key.public for name, key in keys.items()
    }


def test_a_lost_public_half_is_written_again(tmp_path: Path) -> None:
    key = development_key(tmp_path)
    (tmp_path / "development.pub").unlink()

    development_key(tmp_path)

    assert list(public_keys(tmp_path)) == [key.public]


def test_no_folder_means_no_keys(tmp_path: Path) -> None:
    assert list(public_keys(tmp_path / "nothing")) == []


@pytest.mark.parametrize("name", ["", "..", "a/b", "A", ".hidden", "a" * 65])
def test_a_name_that_is_none_makes_no_key(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadKey, match="cannot name a key"):
        make_key(tmp_path, name)


def test_a_private_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    development_key(tmp_path)
    (tmp_path / "development.key").chmod(0o644)

    with pytest.raises(BadKey, match="chmod 600"):
        read_key(tmp_path, "development")


def test_a_key_that_is_not_there_is_named_with_what_makes_it(tmp_path: Path) -> None:
    with pytest.raises(BadKey, match="mlmesh models key team"):
        read_key(tmp_path, "team")


def test_a_broken_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "team.key").touch(0o600)
    (tmp_path / "team.pub").write_text("not a key")

    with pytest.raises(BadKey, match=r"team\.key: not a private key"):
        read_key(tmp_path, "team")
    with pytest.raises(BadKey, match=r"team\.pub: not a public key"):
        list(public_keys(tmp_path))


def test_another_kind_of_key_is_refused(tmp_path: Path) -> None:
    key = generate_private_key(SECP256R1())
    (tmp_path / "team.key").touch(0o600)
    (tmp_path / "team.key").write_bytes(
        key.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.NoEncryption())
    )
    (tmp_path / "team.pub").write_bytes(
        key.public_key().public_bytes(pem.Encoding.PEM, pem.PublicFormat.SubjectPublicKeyInfo)
    )

    with pytest.raises(BadKey, match=r"team\.key: not an ed25519 key"):
        read_key(tmp_path, "team")
    with pytest.raises(BadKey, match=r"team\.pub: not an ed25519 key"):
        list(public_keys(tmp_path))


def test_a_pipe_in_the_place_of_a_key_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "team.key", 0o600)
    os.mkfifo(tmp_path / "team.pub")

    with pytest.raises(BadKey, match="not a regular file"):
        read_key(tmp_path, "team")
    with pytest.raises(BadKey, match="not a regular file"):
        list(public_keys(tmp_path))


def test_what_cannot_be_read_as_a_public_key_is_named_without_where_it_lies(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    (tmp_path / "gone" / "team.pub").symlink_to(tmp_path / "nothing")
    (tmp_path / "folder" / "team.pub").mkdir(parents=True)
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "team.pub").write_text("not a key")

    for name in ("gone", "folder", "text"):
        with pytest.raises(BadKey, match=r"team\.pub: ") as refused:
            list(public_keys(tmp_path / name))
        assert str(tmp_path) not in str(refused.value)
