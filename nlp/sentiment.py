"""Sentiment of texts and of their sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlmesh.inference.version import LoadedVersion
from mlmesh.runtime.call import Call
from mlmesh.runtime.errors import Precondition, ServingError
from mlmesh.runtime.outcomes import Outcome, each
from nlp.sentence_texts import Sentence, read_sentences
from nlp.spans import Span
from nlp.text_model import Document, Read, Signature, TextModel
from nlp.texts import Text, characters_of
from nlp.threads import beside

LABELS = ("negative", "neutral", "positive")
SIGNATURE = Signature("sentiment", "probabilities")

Probabilities: TypeAlias = NDArray[np.float32]
"""float32 [3], of LABELS"""


@dataclass(frozen=True, slots=True)
class Sentiment:
    """What the model says of one text."""

    probabilities: Probabilities
    seconds: float
    sentences: list[tuple[Span, Probabilities]] = field(default_factory=list)


class SentimentModel(TextModel):
    """One version of a sentiment model."""

    def __init__(self, version: LoadedVersion) -> None:
        super().__init__(version, SIGNATURE)
        if self.manifest.labels != LABELS:
            raise Precondition(
                f"model: the labels of {self.manifest.name} are "
                f"{', '.join(self.manifest.labels)}, not {', '.join(LABELS)}"
            )

    async def analyze(self, texts: Sequence[Outcome[Text]], call: Call) -> list[Outcome[Sentiment]]:
        """The sentiment of every text.

        Of a text that is longer than a window it is the mean of its windows, by how much of the
        text each of them covers.
        """
        return each(await self.run(await self.read_all(texts), call), _sentiment)

    async def analyze_sentences(
        self, texts: Sequence[Outcome[Text]], call: Call, *, most_sentences: int
    ) -> list[Outcome[Sentiment]]:
        """The same with every sentence; a text with more than `most_sentences` is refused."""
        characters = characters_of(texts)
        split = await beside(
            characters, each, texts, partial(read_sentences, read=self.read, most=most_sentences)
        )
        documents: list[Outcome[Document]] = await self.read_all(texts)
        for index, sentences in enumerate(split):
            if isinstance(sentences, ServingError):
                documents[index] = sentences
            else:
                documents += [one.document for one in sentences]
        found = each(await self.run(documents, call), _sentiment)
        return await beside(characters, _with_sentences, split, found)


def _sentiment(read: Read) -> Sentiment:
    found = read.outputs[0] if len(read.outputs) == 1 else read.mean().astype(np.float32)
    return Sentiment(found, read.seconds)


def _with_sentences(
    split: Sequence[Outcome[list[Sentence]]], found: Sequence[Outcome[Sentiment]]
) -> list[Outcome[Sentiment]]:
    """Every text with its sentences.

    found: for all texts, then for the sentences of those that were split.
    """
    following = iter(found[len(split) :])
    return [
        whole
        if isinstance(sentences, ServingError)
        else _with_own(whole, sentences, [next(following) for _ in sentences])
        for sentences, whole in zip(split, found, strict=False)
    ]


def _with_own(
    whole: Outcome[Sentiment], sentences: Sequence[Sentence], found: Sequence[Outcome[Sentiment]]
) -> Outcome[Sentiment]:
    """A text with its sentences; one that could not be answered takes its text with it."""
    if isinstance(whole, ServingError):
        return whole
    seconds = whole.seconds
    answered = []
    for sentence, one in zip(sentences, found, strict=True):
        if isinstance(one, ServingError):
            return one
        answered.append((sentence.span, one.probabilities))
        seconds = max(seconds, one.seconds)
    return Sentiment(whole.probabilities, seconds, answered)
