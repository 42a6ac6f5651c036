"""JSON bodies as clients of the protocol write them: with bare NaN and Infinity, or not at all."""

from __future__ import annotations

import re
from typing import Any

from gateway.body import parse_json
from gateway.json_scalar import expected
from mlmesh.runtime.errors import InvalidInput

# A string that never ends is taken to the end, or every quote in it would be tried as a beginning.
_STRING_OR_SPECIAL = re.compile(rb'"(?:[^"\\]|\\.)*+"?|-?\b(?:NaN|Infinity)\b', re.DOTALL)


def object_of(raw: bytes) -> dict[str, Any]:
    """The JSON object of a body; raises InvalidInput.

    Numbers that JSON does not have come as strings, "NaN", "Infinity" and "-Infinity".
    """
    try:
        value = parse_json(raw)
    except InvalidInput:
        # Python's and Triton's writers put them into the text as they are.
        if b"NaN" not in raw and b"Infinity" not in raw:
            raise
        value = parse_json(_STRING_OR_SPECIAL.sub(_as_string, raw))
    if type(value) is not dict:
        raise InvalidInput("body", expected("an object", value).problem)
    return value


def optional_object_of(raw: bytes) -> dict[str, Any]:
    """The same, of a body that may be empty."""
    return object_of(raw) if raw.strip() else {}


def _as_string(found: re.Match[bytes]) -> bytes:
    text = found[0]
    return text if text.startswith(b'"') else b'"' + text + b'"'
