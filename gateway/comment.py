"""A comment of a contract, read as documentation."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_EXAMPLE = re.compile(r"^Example:\s*(?=[\[{])", re.MULTILINE)
_FOR_TOOLS = re.compile(r"^(buf:|protolint:|@).*\n?", re.MULTILINE)
_INDENT = re.compile(r"^ ", re.MULTILINE)
_WRAPPED = re.compile(r"(?<!\n)\n(?![\n *-])")
_SENTENCE = re.compile(r".+?(?=[.:](\s|$))|.+", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Comment:
    summary: str
    """The first sentence, up to its full stop or colon."""
    description: str
    examples: tuple[Any, ...]
    """Messages as JSON, from lines that begin with "Example:"; they may go on over several."""


class Comments:
    """The comments of contracts, by the full name of what they stand above."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def of(self, full_name: str) -> Comment:
        """Raises ValueError, with the name, when an example is not JSON."""
        try:
            return comment_of(self._texts.get(full_name, ""))
        except ValueError as error:
            raise ValueError(f"{full_name}: its example is not JSON: {error}") from error


def comment_of(text: str) -> Comment:
    text = _FOR_TOOLS.sub("", _INDENT.sub("", text))
    examples: list[Any] = []
    while found := _EXAMPLE.search(text):
        example, end = json.JSONDecoder().raw_decode(text, found.end())
        examples.append(example)
        text = text[: found.start()] + text[end:].lstrip("\n")
    description = _WRAPPED.sub(" ", text.strip())
    summary = _SENTENCE.match(description)
    return Comment(summary[0] if summary else "", description, tuple(examples))
