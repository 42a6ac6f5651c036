"""Names in texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlmesh.inference.session import Array
from mlmesh.inference.version import LoadedVersion
from mlmesh.runtime.call import Call
from mlmesh.runtime.errors import Precondition
from mlmesh.runtime.outcomes import Outcome, each
from nlp.spans import Span, with_marks
from nlp.tag_decoding import BEGIN, INSIDE, OUTSIDE, TagDecoder
from nlp.text_model import IDS, MASK, SHAPES, Document, Read, Signature, TextModel
from nlp.texts import Text
from nlp.threads import beside
from nlp.tokenizer import Pieces
from nlp.word_shapes import shape_of

SIGNATURE = Signature("entities", "tag_probabilities", frozenset({IDS, MASK, SHAPES}))


@dataclass(frozen=True, slots=True)
class Entity:
    """A name in a text."""

    type: str
    span: Span
    confidence: float


@dataclass(frozen=True, slots=True)
class Entities:
    """All names of a text, in its order."""

    entities: Sequence[Entity]
    seconds: float


class EntityModel(TextModel):
    """One version of a model that tags words."""

    def __init__(self, version: LoadedVersion) -> None:
        super().__init__(version, SIGNATURE)
        tags = self.manifest.labels
        if OUTSIDE not in tags or not all(
            tag == OUTSIDE or tag.startswith((BEGIN, INSIDE)) for tag in tags
        ):
            raise Precondition(f"model: the labels of {self.manifest.name} are no tags")
        self._decoder = TagDecoder(tags)

    async def recognize(
        self, texts: Sequence[Outcome[Text]], call: Call
    ) -> list[Outcome[Entities]]:
        """The names in every text.

        Of a text that is longer than a window, every piece is judged in the window where it has
        most of the text around it.
        """
        read = await self.run(await self.read_all(texts), call)
        characters = sum(len(one.document.content) for one in read if isinstance(one, Read))
        return await beside(characters, each, read, self._found)

    def shapes_of(self, content: str, pieces: Pieces) -> NDArray[np.int8]:
        """For every piece, how its word is written: int8 [pieces]."""
        first, last = _words(pieces)
        spans = zip(pieces.starts[first].tolist(), pieces.ends[last].tolist(), strict=True)
        shapes = [shape_of(content[start:end]) for start, end in spans]
        return np.repeat(np.array(shapes, np.int8), last - first + 1)

    def _found(self, read: Read) -> Entities:
        first, last = _words(read.document.pieces)
        found = [
            Entity(one.type, _span(read.document, first[one.first], last[one.last]), one.confidence)
            for one in self._decoder.decode(_joined(read)[first])
        ]
        return Entities(found, read.seconds)


def _words(pieces: Pieces) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First and last piece of every word."""
    first = pieces.first_of_words()
    return first, np.append(first[1:], len(pieces)) - 1


def _joined(read: Read) -> Array:
    """Tag probabilities, float32 [pieces, tags], out of those of the windows."""
    return np.concatenate(
        [
            # The first row is the token that stands before the window.
            output[1:][window.own]
            for window, output in zip(read.document.windows, read.outputs, strict=True)
        ]
    )


def _span(document: Document, first: int, last: int) -> Span:
    pieces = document.pieces
    return Span(int(pieces.starts[first]), with_marks(document.content, int(pieces.ends[last])))
