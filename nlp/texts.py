"""Texts as callers send them, and what is refused of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlmesh.runtime.errors import InvalidInput
from mlmesh.runtime.outcomes import Outcome

LANGUAGE = "en"


@dataclass(frozen=True, slots=True)
class Text:
    """A text and the field that it came in, for what is said when it is wrong."""

    field: str
    content: str


@dataclass(frozen=True, slots=True)
class TextLimits:
    """How long texts may be."""

    text_bytes: int = 2**20
    """Of one text, as UTF-8."""
    batch_bytes: int = 8 * 2**20
    """Of all texts of a request."""
    sentences: int = 16_384
    """Of one text whose sentences count one by one."""

    def checked(self, text: Text) -> Text:
        """The text itself. Raises InvalidInput when it is empty, too long or holds a NUL."""
        if not text.content:
            raise InvalidInput(text.field, "is empty, send at least one word")
        size = size_of(text.content)
        if size > self.text_bytes:
            raise InvalidInput(
                text.field,
                f"{size} bytes, the limit is {self.text_bytes}; send it in parts, "
                "or have MLMESH_MAX_TEXT_BYTES raised",
            )
        place = text.content.find("\0")
        if place >= 0:
            raise InvalidInput(
                text.field, f"character {place} is NUL, which no text holds; leave it out"
            )
        return text

    def check_together(self, field: str, texts: Sequence[Text]) -> None:
        """Raises InvalidInput for the texts of one request that are too long together."""
        size = sum(size_of(text.content) for text in texts)
        if size > self.batch_bytes:
            raise InvalidInput(
                field,
                f"{size} bytes together, the limit is {self.batch_bytes}; send fewer at once, "
                "or have MLMESH_MAX_BATCH_TEXT_BYTES raised",
            )


def check_language(language: str) -> None:
    """Raises InvalidInput for a language that is not understood."""
    if language not in ("", LANGUAGE):
        raise InvalidInput(
            "language", f"only English is understood, send {LANGUAGE!r} or leave it empty"
        )


def characters_of(texts: Sequence[Outcome[Text]]) -> int:
    """Code points of all texts together."""
    return sum(len(text.content) for text in texts if isinstance(text, Text))


def size_of(content: str) -> int:
    """Bytes of UTF-8."""
    return len(content) if content.isascii() else len(content.encode())
