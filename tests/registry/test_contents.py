from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mlmesh.registry.store import BadVersion, StoredVersion
from tests.registry.repository import Repository


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
