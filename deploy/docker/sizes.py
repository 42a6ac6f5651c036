"""Estimates how large the images are, from installed packages: `python deploy/docker/sizes.py`.

Counted are the locked packages and the files of the program; the base image is not. A package that
is not installed here is named, not guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[2]
LOCKS = ROOT / "requirements" / "images"
PROGRAMS = ("gateway", "predictor", "nlp", "vision")
_LOCKED = re.compile(r"^([\w.-]+)==([^ \\]+)(?: ; (.+?))?(?: \\)?$", re.MULTILINE)
_ELSEWHERE = ("'never'", "'win32'", "'darwin'", "!= 'x86_64'", ">= '3.12'")
"""Markers of packages that an image for Linux on x86-64 does not get."""


def packages_of(lock: Path) -> Iterator[str]:
    for name, _, marker in _LOCKED.findall(lock.read_text(encoding="utf-8")):
        if not any(part in marker for part in _ELSEWHERE) or "or" in marker.split():
            yield name


def bytes_of(package: str) -> int | None:
    """Bytes of an installed package; None when it is not installed."""
    try:
        listed = files(package) or ()
    except PackageNotFoundError:
        return None
    paths = (Path(str(one.locate())) for one in listed)
    return sum(path.stat().st_size for path in paths if path.is_file())


def program_bytes(program: str) -> int:
    kept = (
        path
        for path in (ROOT / program).rglob("*")
        if path.is_file() and not {"training", "samples", "__pycache__"} & set(path.parts)
    )
    return sum(path.stat().st_size for path in kept)


def main() -> None:
    table = Table("image", "packages MB", "program and models MB", "not installed here", box=None)
    for program in PROGRAMS:
        sizes = {name: bytes_of(name) for name in packages_of(LOCKS / f"{program}.txt")}
        table.add_row(
            program,
            f"{sum(filter(None, sizes.values())) / 1e6:.0f}",
            f"{program_bytes(program) / 1e6:.0f}",
            ", ".join(name for name, size in sizes.items() if size is None),
        )
    Console(highlight=False).print(table)


if __name__ == "__main__":
    main()
