"""Tar archives as what they hold."""

from __future__ import annotations

import tarfile
from pathlib import Path


def files_of(path: Path) -> dict[str, bytes]:
    """The content of every file of an archive, by name."""
    contents = {}
    with tarfile.open(path) as archive:
        for member in archive.getmembers():
            if file := archive.extractfile(member) if member.isfile() else None:
                contents[member.name] = file.read()
    return contents
