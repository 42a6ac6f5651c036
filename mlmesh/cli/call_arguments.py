"""What stands behind `mlmesh call`: the method, its fields, and a few options of the command."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

OPTIONS = ("gateway", "grpc", "body", "save", "timeout")
"""They take a value; fields of these names are sent in --body."""
SWITCHES = ("json", "help")


class BadCall(Exception):
    """The command line is wrong; the message begins with the option and names the remedy."""


@dataclass(slots=True)
class Arguments:
    """A command line, taken apart."""

    method: str = ""
    fields: list[tuple[str, str | None]] = field(default_factory=list)
    """Name and value of every field, in order; None for one that was only named."""
    options: dict[str, str] = field(default_factory=dict)
    saves: list[str] = field(default_factory=list)
    """Where to keep the answer, or parts of it."""
    switches: set[str] = field(default_factory=set)


def arguments_of(tokens: Sequence[str]) -> Arguments:
    """Read `METHOD --field value --flag --option value`; raises BadCall."""
    found = Arguments()
    for name, value in _pairs(tokens):
        if not name:
            if found.method:
                raise BadCall(f"{value}: one METHOD is enough; a value follows its --field")
            found.method = value or ""
        elif name in SWITCHES:
            found.switches.add(name)
        elif name in OPTIONS:
            if value is None:
                raise BadCall(f"--{name}: give a value")
            if name == "save":
                found.saves.append(value)
            else:
                found.options[name] = value
        else:
            found.fields.append((name, value))
    return found


def content_of(option: str, value: str) -> bytes:
    """The bytes that a value stands for: of a file for @file, of the standard input for @-.

    A text that begins with @ is written with two. Raises BadCall.
    """
    if value.startswith("@@"):
        return value[1:].encode()
    if value == "@-":
        return sys.stdin.buffer.read()
    if value.startswith("@"):
        try:
            return Path(value[1:]).read_bytes()
        except OSError as error:
            raise BadCall(
                f"--{option}: {value[1:]}: {error.strerror}; a text that begins with @ is "
                "written with two"
            ) from None
    return value.encode()


def text_of(option: str, value: str) -> str:
    """The same as text; raises BadCall for a file that is no UTF-8."""
    try:
        return content_of(option, value).decode()
    except UnicodeDecodeError as error:
        raise BadCall(f"--{option}: {value[1:]} is no UTF-8 text, see byte {error.start}") from None


def _pairs(tokens: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """Names without dashes and their values; an empty name for what stands alone."""
    place = 0
    while place < len(tokens):
        token = tokens[place]
        place += 1
        if not token.startswith("--") or token == "--":
            yield "", token
            continue
        name, equals, value = token[2:].partition("=")
        name = name.replace("-", "_")
        following = tokens[place] if place < len(tokens) else "--"
        if equals:
            yield name, value
        elif name in SWITCHES or following.startswith("--"):
            yield name, None
        else:
            place += 1
            yield name, following
