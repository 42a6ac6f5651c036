"""Which version of a model answers by default, and what labels such as `stable` stand for.

They lie in `<root>/<model>/pointers.json`, because they change while the versions do not.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mlmesh.registry.manifest import NAME_PATTERN

POINTERS_FILE = "pointers.json"
LOCK_FILE = ".pointers.lock"
LABEL_PATTERN = r"^[a-z][a-z0-9-]{0,31}$"
MAX_LABELS = 256
MAX_BYTES = 2**20

Label = Annotated[str, Field(pattern=LABEL_PATTERN)]
Version = Annotated[str, Field(pattern=NAME_PATTERN)]


class BadPointers(Exception):
    """pointers.json cannot be read or written, or a label is none; the message says why."""


class Pointers(BaseModel):
    """What is said of a model's versions apart from the versions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    default: Version | Annotated[str, Field(max_length=0)] = ""
    """The version that answers when a caller names none; empty: the newest one that is loaded."""
    labels: Annotated[dict[Label, Version], Field(max_length=MAX_LABELS)] = {}
    """Versions by names that callers may use in their place."""
    unloaded: tuple[Version, ...] = ()
    """Versions that are not loaded until somebody asks for them."""


def read_pointers(root: Path, model: str) -> Pointers:
    """A model's pointers, those of a model without a file included; raises BadPointers."""
    file = root / model / POINTERS_FILE
    try:
        content = _content(file)
    except FileNotFoundError:
        return Pointers()
    except OSError as error:
        raise BadPointers(f"{_place(file)}: {error.strerror}") from None
    try:
        return Pointers.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        problem = ": ".join(filter(None, [_place(file), where, first["msg"]]))
        raise BadPointers(f"{problem}; put it right or remove it") from None


def change_pointers(root: Path, model: str, change: Callable[[Pointers], Pointers]) -> Pointers:
    """Write what `change` makes of a model's pointers, and give it.

    Writers wait for each other; readers see the old file or the new one. Raises BadPointers.
    """
    folder = root / model
    try:
        with _locked(folder):
            pointers = _checked(change(read_pointers(root, model)))
            _write(folder, pointers.model_dump_json(indent=2).encode() + b"\n")
            return pointers
    except OSError as error:
        raise BadPointers(f"{_place(folder / POINTERS_FILE)}: {error.strerror}") from None


def check_label(label: str, versions: Collection[str]) -> None:
    """Raise BadPointers unless `label` can stand for one of the versions."""
    if not re.fullmatch(LABEL_PATTERN, label):
        raise BadPointers(
            f"label: {label!r} is none; begin with a small letter and use at most 32 small "
            "letters, digits and -"
        )
    if label in versions or re.fullmatch(r"v[0-9]+", label):
        raise BadPointers(f"label: {label!r} is or looks like a version; choose another word")


def check_room(label: str, labels: Collection[str]) -> None:
    """Raise BadPointers unless a model that has `labels` may have this one, too."""
    if label not in labels and len(labels) >= MAX_LABELS:
        raise BadPointers(f"label: a model has at most {MAX_LABELS}; remove one first")


def _checked(pointers: Pointers) -> Pointers:
    """The same; raises BadPointers for what could not be read again."""
    try:
        return Pointers.model_validate(pointers.model_dump())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadPointers(f"{where}: {first['msg']}") from None


def _content(file: Path) -> bytes:
    # Not blocking, for it may be a pipe that nobody writes to.
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise BadPointers(f"{_place(file)}: not a regular file; remove it")
        if found.st_size > MAX_BYTES:
            raise BadPointers(f"{_place(file)}: larger than {MAX_BYTES:,} bytes; remove it")
        return os.read(descriptor, MAX_BYTES)
    finally:
        os.close(descriptor)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(folder: Path, content: bytes) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=".pointers-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o644)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        Path(temporary).rename(folder / POINTERS_FILE)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync(folder)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _place(file: Path) -> str:
    """The file as callers know it: they need not know where the repository lies."""
    return "/".join(file.parts[-2:])
