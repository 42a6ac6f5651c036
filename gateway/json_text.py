"""Finds the text that no JSON may hold, for a refusal that names its field."""

from __future__ import annotations

import json

MOST_PATH = 256
"""Characters of a field's place that a refusal names."""
MOST_BYTES = 65_536
"""Of a body that is looked at; Python's reader is slow, and the body is refused in any case."""


def undecodable_field(raw: bytes) -> str | None:
    """Path of the first string that is no UTF-8 or has half of a surrogate pair.

    None when the body is large, broken in another way, or a key is to blame.
    """
    if len(raw) > MOST_BYTES:
        return None
    try:
        found = _search(json.loads(raw.decode("utf-8", "surrogateescape")), "")
    except (ValueError, RecursionError):
        return None
    return found[:MOST_PATH] if found and found.isprintable() else None


def _search(value: object, path: str) -> str | None:
    if isinstance(value, str):
        return path if not value.isascii() and _is_broken(value) else None
    if isinstance(value, dict):
        places = [(f"{path}.{key}" if path else key, item) for key, item in value.items()]
    elif isinstance(value, list):
        places = [(f"{path}[{index}]", item) for index, item in enumerate(value)]
    else:
        return None
    return next((found for place, item in places if (found := _search(item, place))), None)


def _is_broken(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
