"""Checks messages against the field rules of their contract (buf.validate)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import protovalidate
from google.protobuf.message import Message

from mlmesh.runtime.errors import InvalidInput
from mlmesh.runtime.plain_rules import Passes, plain_rules

_validator = protovalidate.Validator()
_plain: dict[type[Message], Passes | None] = {}
"""By message type; those that were prepared."""


def check(message: Message) -> None:
    """Raise InvalidInput for the first field that breaks a rule."""
    passes = _plain.get(type(message))
    if passes is not None and passes(message):
        return
    # Only the first: a list of 65,536 wrong numbers must not cost 65,536 descriptions.
    for violation in _validator.collect_violations(message, fail_fast=True):
        found = violation.proto
        raise InvalidInput(_path(found.field.elements if found.field else ()), found.message)


def prepare(kind: type[Message]) -> None:
    """Compile the rules of a message type now; raises CompilationError when they are wrong."""
    _validator.collect_violations(kind())
    _plain[kind] = plain_rules(kind.DESCRIPTOR)


def _path(elements: Iterable[Any]) -> str:
    parts = []
    for element in elements:
        subscript = element.subscript
        if subscript is None:
            parts.append(element.field_name)
        elif subscript.field == "string_key":
            parts.append(f'{element.field_name}["{subscript.value}"]')
        else:
            parts.append(f"{element.field_name}[{subscript.value}]")
    return ".".join(parts)
