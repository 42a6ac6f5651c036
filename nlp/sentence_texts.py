"""The sentences of a text as texts of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mlmesh.runtime.errors import InvalidInput
from mlmesh.runtime.outcomes import each
from nlp.sentences import sentences_of
from nlp.spans import Span
from nlp.text_model import Document
from nlp.texts import Text


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence that has been read, and where it stands in its text."""

    span: Span
    document: Document


def read_sentences(text: Text, read: Callable[[Text], Document], most: int) -> list[Sentence]:
    """Those that hold words. Raises InvalidInput for none, or more than `most` of all."""
    spans = sentences_of(text.content)
    if len(spans) > most:
        raise InvalidInput(
            text.field,
            f"{len(spans)} sentences, the limit is {most}; send it in parts, "
            "or have MLMESH_MAX_SENTENCES raised",
        )
    parts = [Text(text.field, text.content[start:end]) for start, end in spans]
    found = [
        Sentence(span, document)
        for span, document in zip(spans, each(parts, read), strict=True)
        if isinstance(document, Document)
    ]
    return found or [Sentence(Span(0, len(text.content)), read(text))]
