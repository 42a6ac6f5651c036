"""Sentiment of texts and of their sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlmesh.inference.version import LoadedVersion
from mlmesh.runtime.call import Call
from mlmesh.runtime.errors import Precondition, ServingError
from nlp.outcomes import Outcome, each
from nlp.sentence_texts import read_sentences
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

    @property
    def label(self) -> str:
        return label_of(self.probabilities)


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
        split = await beside(
            characters_of(texts),
            each,
            texts,
            partial(read_sentences, read=self.read, most=most_sentences),
        )
        documents: list[Outcome[Document]] = await self.read_all(texts)
        owners = []
        for owner, sentences in enumerate(split):
            if isinstance(sentences, ServingError):
                documents[owner] = sentences
            else:
                owners += [owner] * len(sentences)
        parts = [one for found in split if not isinstance(found, ServingError) for one in found]
        found = each(
            await self.run([*documents, *(part.document for part in parts)], call), _sentiment
        )
        whole = found[: len(texts)]
        for owner, part, sentence in zip(owners, parts, found[len(texts) :], strict=True):
            whole[owner] = _with_sentence(whole[owner], part.span, sentence)
        return whole


def sentiment_model(version: LoadedVersion) -> SentimentModel:
    """A version as a sentiment model; raises Precondition when it is none."""
    return SentimentModel(version)


def label_of(probabilities: Probabilities) -> str:
    """The label that is most probable."""
    return LABELS[int(np.argmax(probabilities))]


def _sentiment(read: Read) -> Sentiment:
    found = read.outputs[0] if len(read.outputs) == 1 else read.mean().astype(np.float32)
    return Sentiment(found, read.seconds)


def _with_sentence(
    whole: Outcome[Sentiment], span: Span, sentence: Outcome[Sentiment]
) -> Outcome[Sentiment]:
    """A text with one more sentence; one that could not be answered takes its text with it."""
    if isinstance(whole, ServingError) or isinstance(sentence, ServingError):
        return whole if isinstance(whole, ServingError) else sentence
    whole.sentences.append((span, sentence.probabilities))
    return replace(whole, seconds=max(whole.seconds, sentence.seconds))
