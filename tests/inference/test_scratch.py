from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import PIPE

import pytest

from mlmesh.inference.scratch import PREFIX, scratch_folder

HOLD = """
import sys
from mlmesh.inference.scratch import scratch_folder

with scratch_folder() as folder:
    (folder / "model.onnx").write_text("weights")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files, also for child processes."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def holder() -> tuple[subprocess.Popen[str], Path]:
    """A process that has a folder until its input ends."""
    child = subprocess.Popen([sys.executable, "-c", HOLD], stdin=PIPE, stdout=PIPE, text=True)
    assert child.stdout is not None
    return child, Path(child.stdout.readline().strip())


def test_the_folder_is_this_users_only_and_goes_with_the_block(parent: Path) -> None:
    with scratch_folder() as folder:
        assert folder.parent == parent
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "below").mkdir()
        (folder / "below" / "file").touch()

    assert list(parent.iterdir()) == []


def test_it_goes_also_when_the_block_fails(parent: Path) -> None:
    with pytest.raises(ValueError, match="inside"), scratch_folder():
        raise ValueError("inside")

    assert list(parent.iterdir()) == []


def test_folders_of_processes_that_were_killed_go() -> None:
    child, left = holder()
    with child:
        child.kill()
        child.wait()
    assert (left / "model.onnx").exists()

    with scratch_folder() as folder:
        assert not left.exists()
        assert folder.exists()


def test_folders_of_processes_that_live_stay() -> None:
    child, theirs = holder()
    with child:
        with scratch_folder():
            assert (theirs / "model.onnx").exists()
        assert (theirs / "model.onnx").exists()
        child.communicate("")
    assert not theirs.exists()


def test_a_process_may_have_several() -> None:
    with scratch_folder() as one:
        with scratch_folder() as other:
            assert one != other
            assert one.exists()
        assert one.exists()


def test_a_folder_that_was_left_behind_by_a_process_of_the_same_number_goes(parent: Path) -> None:
    """In a container, the program has one number after every restart."""
    left = parent / f"{PREFIX}{os.getpid()}-left"
    left.mkdir()

    with scratch_folder():
        assert not left.exists()


def test_what_only_has_such_a_name_stays(parent: Path) -> None:
    elsewhere = parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").touch()
    (parent / f"{PREFIX}link").symlink_to(elsewhere)
    (parent / f"{PREFIX}file").touch()
    (parent / "other-folder").mkdir()

    with scratch_folder():
        pass

    assert (elsewhere / "kept").exists()
    assert (parent / f"{PREFIX}file").exists()
    assert (parent / "other-folder").exists()


def test_threads_that_start_and_clean_up_at_once_leave_each_others_folders_alone() -> None:
    def use(_: int) -> bool:
        with scratch_folder() as folder:
            (folder / "file").touch()
            time.sleep(0.001)
            return (folder / "file").exists()

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(use, range(200)))
