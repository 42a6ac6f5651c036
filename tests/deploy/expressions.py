"""Which series an expression of PromQL asks for."""

from __future__ import annotations

import re

# Labels in braces and after `by` or `on` look like names of series, and so do texts.
_APART = re.compile(r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]|\b(?:by|on|without|ignoring)\s*\([^)]*\)')
_NAME = re.compile(r"[a-zA-Z_:][\w:]*(?!\s*\()\b")
_WORDS = {"and", "or", "unless", "bool", "offset", "group_left", "group_right", "by", "on"}
_NUMBER = re.compile(r"\b\d[\w.]*")


def series_in(expression: str) -> set[str]:
    """Names of series, as they are scraped: with `_bucket`, `_sum`, `_count` and `_total`."""
    bare = _NUMBER.sub(" ", _APART.sub(" ", expression))
    called = set(re.findall(r"([a-zA-Z_]\w*)\s*\(", bare))
    return set(_NAME.findall(bare)) - _WORDS - called
