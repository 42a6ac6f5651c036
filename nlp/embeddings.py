"""Texts as vectors of length 1, and how close two of them are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlmesh.inference.version import LoadedVersion
from mlmesh.runtime.call import Call
from mlmesh.runtime.errors import InvalidInput, Precondition, ServingError
from mlmesh.runtime.outcomes import Outcome, each
from nlp.text_model import Document, Read, Signature, TextModel
from nlp.texts import Text

SIGNATURE = Signature("embeddings", "sentence_embedding")

Vector: TypeAlias = NDArray[np.float32]
"""float32 [dimensions], of length 1"""


@dataclass(frozen=True, slots=True)
class Embedding:
    """One text as a vector."""

    vector: Vector
    seconds: float


Embed: TypeAlias = Callable[[list[Outcome[Text]]], Awaitable[list[Outcome[Embedding]]]]


@dataclass(frozen=True, slots=True)
class Similarity:
    """How close two texts are."""

    cosine: float
    """-1 to 1"""
    seconds: float


class EmbeddingModel(TextModel):
    """One version of a model that embeds texts."""

    def __init__(self, version: LoadedVersion) -> None:
        """Raises Precondition when the version is made for something else."""
        super().__init__(version, SIGNATURE)
        [shape] = [one.shape for one in self.manifest.outputs if one.name == SIGNATURE.output]
        if len(shape) != 2 or shape[1] is None:
            raise Precondition(
                f"model: {SIGNATURE.output} of {self.manifest.name} is not of the shape "
                "[texts, dimensions]"
            )
        self.dimensions: int = shape[1]

    async def embed(self, texts: Sequence[Outcome[Text]], call: Call) -> list[Outcome[Embedding]]:
        """The embedding of every text.

        Of a text that is longer than a window it is the mean of its windows, by how much of the
        text each of them covers, at length 1.
        """
        return await self.embed_documents(await self.read_all(texts), call)

    async def embed_documents(
        self, documents: Sequence[Outcome[Document]], call: Call
    ) -> list[Outcome[Embedding]]:
        """The same for texts that have been read already."""
        return each(await self.run(documents, call), _embedding)


async def similarities(
    embed: Embed, pairs: Sequence[tuple[Outcome[Text], Outcome[Text]]]
) -> list[Outcome[Similarity]]:
    """How close the texts of every pair are. A text that stands in several is embedded once."""
    different: dict[str, Text] = {}
    for one in chain.from_iterable(pairs):
        if isinstance(one, Text):
            different.setdefault(one.content, one)
    found = dict(zip(different, await embed(list(different.values())), strict=True))

    def embedding(text: Outcome[Text]) -> Outcome[Embedding]:
        if isinstance(text, ServingError):
            return text
        outcome = found[text.content]
        if isinstance(outcome, InvalidInput):
            # It was said of the first place where this text stands.
            return InvalidInput(text.field, outcome.problem)
        return outcome

    return [_similarity(embedding(one), embedding(other)) for one, other in pairs]


def _similarity(one: Outcome[Embedding], other: Outcome[Embedding]) -> Outcome[Similarity]:
    if isinstance(one, ServingError):
        return one
    if isinstance(other, ServingError):
        return other
    cosine = float(np.clip(one.vector @ other.vector, -1, 1))
    return Similarity(cosine, max(one.seconds, other.seconds))


def _embedding(read: Read) -> Embedding:
    if len(read.outputs) == 1:
        return Embedding(read.outputs[0], read.seconds)
    mean = read.mean()
    length = np.linalg.norm(mean) or 1.0
    return Embedding((mean / length).astype(np.float32), read.seconds)
