"""Percent-encoding, read strictly: what is malformed is refused, not guessed at."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from mlmesh.runtime.errors import InvalidInput

_MALFORMED = re.compile("%(?![0-9A-Fa-f]{2})")


def decoded(text: str, field: str) -> str:
    """What `text` stands for; raises InvalidInput naming `field`."""
    if "%" not in text:
        return text
    if _MALFORMED.search(text):
        raise InvalidInput(field, "every % must be followed by two hexadecimal digits")
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise InvalidInput(field, "percent-encode text as UTF-8") from None
