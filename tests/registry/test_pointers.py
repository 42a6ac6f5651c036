from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlmesh.registry.pointers import (
    LOCK_FILE,
    MAX_BYTES,
    MAX_LABELS,
    POINTERS_FILE,
    BadPointers,
    Pointers,
    change_pointers,
    check_label,
    read_pointers,
)

ADD_LABELS = """
import sys
from pathlib import Path
from mlmesh.registry.pointers import Pointers, change_pointers
root, writer = Path(sys.argv[1]), sys.argv[2]
for index in range(20):
    def change(old: Pointers) -> Pointers:
        return old.model_copy(update={"labels": {**old.labels, f"w{writer}-{index}": "v1.0"}})
    change_pointers(root, "tiny", change)
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "tiny").mkdir()
    return tmp_path


def test_a_model_without_the_file_has_no_pointers(root: Path) -> None:
    assert read_pointers(root, "tiny") == Pointers()
    assert read_pointers(root, "nothing") == Pointers()


def test_what_is_written_is_read(root: Path) -> None:
    pointers = Pointers(default="v2.0", labels={"stable": "v1.0"}, unloaded=("v0.1",))

    written = change_pointers(root, "tiny", lambda _: pointers)

    assert written == pointers == read_pointers(root, "tiny")
    assert {path.name for path in (root / "tiny").iterdir()} == {POINTERS_FILE, LOCK_FILE}


def test_writers_at_once_lose_nothing_of_each_other(root: Path) -> None:
    command = (sys.executable, "-c", ADD_LABELS, str(root))
    running = [subprocess.Popen((*command, str(writer))) for writer in range(3)]

    codes = [process.wait(60) for process in running]

    assert codes == [0, 0, 0]
    assert len(read_pointers(root, "tiny").labels) == 60


def test_a_change_that_fails_leaves_the_file_as_it_was(root: Path) -> None:
    change_pointers(root, "tiny", lambda _: Pointers(default="v1.0"))

    def fail(_: Pointers) -> Pointers:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        change_pointers(root, "tiny", fail)

    assert read_pointers(root, "tiny").default == "v1.0"
    assert len(list((root / "tiny").iterdir())) == 2


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("", "Invalid JSON"),
        ("[]", "object"),
        ('{"default": 1}', "default"),
        ('{"default": "../v1.0"}', "default"),
        ('{"labels": {"Stable": "v1.0"}}', "labels"),
        ('{"labels": {"stable": ""}}', "labels.stable"),
        ('{"more": 1}', "more"),
    ],
)
def test_a_broken_file_is_named_with_what_is_wrong(root: Path, content: str, named: str) -> None:
    (root / "tiny" / POINTERS_FILE).write_text(content)

    with pytest.raises(BadPointers, match=rf"tiny/pointers\.json: .*{named}.*put it right"):
        read_pointers(root, "tiny")


def test_the_number_of_labels_has_a_limit(root: Path) -> None:
    labels = {f"l{index}": "v1.0" for index in range(MAX_LABELS)}

    assert len(Pointers(labels=labels).labels) == MAX_LABELS
    with pytest.raises(ValueError, match="at most"):
        Pointers(labels={**labels, "more": "v1.0"})


def test_what_is_no_plain_file_is_refused(root: Path) -> None:
    file = root / "tiny" / POINTERS_FILE
    os.mkfifo(file)
    with pytest.raises(BadPointers, match="not a regular file"):
        read_pointers(root, "tiny")

    file.unlink()
    file.symlink_to(root / "elsewhere")
    with pytest.raises(BadPointers, match=r"tiny/pointers\.json"):
        read_pointers(root, "tiny")

    file.unlink()
    file.touch()
    os.truncate(file, MAX_BYTES + 1)
    with pytest.raises(BadPointers, match="larger than"):
        read_pointers(root, "tiny")


def test_where_nothing_can_be_written_the_file_is_named(root: Path) -> None:
    with pytest.raises(BadPointers, match=r"nothing/pointers\.json: No such file"):
        change_pointers(root, "nothing", lambda old: old)


@pytest.mark.parametrize("label", ["stable", "a", "canary-2", "v1x", "a" * 32])
def test_a_label_is_a_word(label: str) -> None:
    check_label(label, ["v1.0", "v2.0"])


@pytest.mark.parametrize(
    "label", ["", "Stable", "1st", "-a", "a_b", "a.b", "a/b", "a" * 33, "stable\n"]
)
def test_what_is_no_word_is_no_label(label: str) -> None:
    with pytest.raises(BadPointers, match=r"label: .* is none"):
        check_label(label, [])


@pytest.mark.parametrize("label", ["v1", "v20", "first"])
def test_a_label_does_not_look_like_a_version(label: str) -> None:
    with pytest.raises(BadPointers, match="looks like a version"):
        check_label(label, ["first"])
