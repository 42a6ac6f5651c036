"""A folder of our own for as long as the process lives."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "mlmesh-models-"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A new folder, for this user only, that is gone when the block ends.

    Folders of processes that were killed before they could clean up go with it.
    """
    _remove_left_behind(Path(tempfile.gettempdir()))
    folder, lock = _locked_folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _locked_folder() -> tuple[Path, int]:
    """A new folder with a lock on it, which the system takes away when the process ends.

    The process's number would not tell whether it lives: after a restart in a container another
    one has the same, and in another container nobody has it.
    """
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        try:
            lock = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:
            continue  # somebody cleaned up in between
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():
            return folder, lock
        # The same, before it was locked.
        os.close(lock)


def _remove_left_behind(parent: Path) -> None:
    for folder in parent.glob(f"{PREFIX}*"):
        # Somebody else's cannot be removed, and need not be; one that is locked is in use.
        with suppress(OSError):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)
