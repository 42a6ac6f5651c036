"""A path template of google.api.http, compiled into a matcher.

    Template = "/" Segment { "/" Segment } [ ":" Verb ]
    Segment  = "*" | "**" | Literal | "{" FieldPath [ "=" Segment { "/" Segment } ] "}"

It matches paths as they were sent, still percent-encoded, so that an encoded slash or colon never
changes what a path means: first a path is cut into segments, then the values are decoded. Literals
are compared as they were sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from gateway.percent import decoded
from mlmesh.runtime.errors import InvalidInput

ANY = "*"
REST = "**"

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_CHARACTER = r"[A-Za-z0-9._~!$&'()+,;@-]|%[0-9A-Fa-f]{2}"
_INNER = rf"(?:\*\*|\*|(?:{_CHARACTER})+)"
# A colon inside a literal is text: only the last one of a template begins a verb.
_LITERAL = rf"(?:{_CHARACTER}|:)+"
_SEGMENT = re.compile(
    rf"/(?:\{{(?P<name>{_NAME}(?:\.{_NAME})*)(?:=(?P<inner>{_INNER}(?:/{_INNER})*))?\}}"
    rf"|(?P<plain>\*\*|\*|{_LITERAL}))(?=/|\Z)"
)
_VERB = re.compile(rf"(?:{_CHARACTER})+")
_ENCODED_SLASH = re.compile("(%2[Ff])")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Variable:
    """A part of a path that is the value of a field."""

    name: str
    """Path of the field in the request, for example "shelf.theme"."""
    start: int
    stop: int | None
    """The segments that it covers; None: all that are left."""

    @property
    def single(self) -> bool:
        return self.stop == self.start + 1

    def value(self, segments: Sequence[str]) -> str:
        if self.single:
            return _value(segments[self.start])
        # An encoded slash stays encoded here, or it could not be told from one that separates.
        parts = _ENCODED_SLASH.split("/".join(segments[self.start : self.stop]))
        return "".join(part if index % 2 else _value(part) for index, part in enumerate(parts))


@dataclass(frozen=True)
class Pattern:
    template: str
    segments: tuple[str, ...]
    """A literal, ANY or REST each; REST can only be the last."""
    verb: str
    """The custom verb; "" when there is none."""
    variables: tuple[Variable, ...]

    @cached_property
    def open(self) -> bool:
        """Whether it matches paths of any length from `least` on."""
        return self.segments[-1] == REST

    @cached_property
    def least(self) -> int:
        """Number of segments that a path must have at least."""
        return len(self.segments) - self.open

    @cached_property
    def specificity(self) -> tuple[int, ...]:
        """Orders patterns, most specific first: a literal before ANY before REST, left to right."""
        rank = {ANY: 1, REST: 2}
        return tuple(rank.get(segment, 0) for segment in self.segments)

    @cached_property
    def literal(self) -> bool:
        return not any(self.specificity)

    @cached_property
    def _literals(self) -> tuple[tuple[int, str], ...]:
        return tuple(
            (index, text) for index, text in enumerate(self.segments) if text not in (ANY, REST)
        )

    def fits(self, segments: Sequence[str]) -> bool:
        """Whether a path has this shape; its verb must have been compared and cut off before."""
        if len(segments) != self.least and not (self.open and len(segments) > self.least):
            return False
        for index, text in self._literals:  # noqa: SIM110 (a generator costs four times as much)
            if segments[index] != text:
                return False
        return True

    def values(self, segments: Sequence[str]) -> dict[str, str]:
        """The decoded values of the variables in a path that fits; raises InvalidInput("path")."""
        return {variable.name: variable.value(segments) for variable in self.variables}


def pattern_of(template: str) -> Pattern:
    """Compile a template; raises ValueError when it is none."""
    path, colon, verb = template.rpartition(":")
    if not colon or "/" in verb or "}" in verb:
        path, verb = template, ""
    elif not _VERB.fullmatch(verb):
        raise ValueError(f'"{template}" is not a path template: wrong verb')
    segments: list[str] = []
    variables: list[Variable] = []
    for name, parts in _pieces(path, template):
        start = len(segments)
        segments.extend(parts)
        if name:
            variables.append(Variable(name, start, None if REST in parts else len(segments)))
    if REST in segments[:-1]:
        raise ValueError(f'"{template}" is not a path template: ** must be its last segment')
    if len({variable.name for variable in variables}) < len(variables):
        raise ValueError(f'"{template}" is not a path template: a variable stands in it twice')
    return Pattern(template, tuple(segments), verb, tuple(variables))


def segments_of(raw_path: str) -> list[str] | None:
    """The segments of a path, still encoded; None when one is empty, for that matches nothing."""
    if raw_path == "/":
        return []
    if not raw_path.startswith("/") or raw_path.endswith("/") or "//" in raw_path:
        return None
    return raw_path[1:].split("/")


def _pieces(path: str, template: str) -> Iterator[tuple[str | None, list[str]]]:
    """The variables (name and segments) and the segments outside of them, in order."""
    position = 0
    while position < len(path) or not path:
        found = _SEGMENT.match(path, position)
        if found is None:
            raise ValueError(f'"{template}" is not a path template: wrong from "{path[position:]}"')
        position = found.end()
        inner = found["inner"] or ANY
        yield found["name"], inner.split("/") if found["name"] else [found["plain"]]


def _value(text: str) -> str:
    """One decoded value; control characters have no business in a path."""
    if text.isascii() and text.isprintable() and "%" not in text:
        return text
    if not text.isascii():
        raise InvalidInput("path", "percent-encode characters beyond ASCII")
    value = decoded(text, "path")
    if _CONTROL.search(value):
        raise InvalidInput("path", "control characters are not allowed")
    return value
