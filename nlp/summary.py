"""Summaries out of a text's own sentences, chosen by what they mean and where they stand.

A sentence counts for how close it is to the mean of all (Radev et al. 2004, with embeddings in the
place of word counts) and for how early it stands. The smaller the share of the text that is chosen,
the more the beginning counts: of news, the first sentences are the best summary of three. But what
has little to do with the rest is no beginning: who wrote it, when, "Scroll down for video".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlmesh.runtime.call import Call
from mlmesh.runtime.errors import InvalidInput, ServingError
from mlmesh.runtime.outcomes import Outcome, each
from nlp.embeddings import Embedding, EmbeddingModel
from nlp.sentence_texts import Sentence, read_sentences
from nlp.spans import Span
from nlp.text_model import Document
from nlp.texts import Text, characters_of
from nlp.threads import beside

METHOD = "extractive"
DEFAULT_SENTENCES = 3
EARLINESS = 0.09
"""What the first sentence gets for being the first when the whole text is chosen; the n-th gets it
divided by the square root of n."""
STEEPNESS = 1.5
"""Earliness grows with the inverse of the share that is chosen to this power."""
MOST_EARLINESS = 4.0
ON_TOPIC = 0.7
"""A sentence whose closeness is below this part of the median is off the topic: it is chosen after
all others, and the others are counted as if it were not there."""
FEWEST_WORDS = 4
"""A shorter sentence is chosen only where there are not enough others."""

Vectors: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Length:
    """How much of a text its summary holds: a number of sentences, or a share of those that may be
    chosen."""

    sentences: int = DEFAULT_SENTENCES
    share: float = 0.0
    """Above 0 it is what counts."""

    def of(self, sentences: int) -> int:
        """How many of so many sentences are chosen; at least one."""
        wanted = round(self.share * sentences) if self.share else self.sentences
        return min(max(wanted, 1), sentences)


def length_of(sentences: int, share: float) -> Length:
    """What a caller asks for, 0 standing for what was not set; raises InvalidInput."""
    if sentences and share:
        raise InvalidInput("share", "send either share or sentence_count, not both")
    return Length(sentences or DEFAULT_SENTENCES, share)


@dataclass(frozen=True, slots=True)
class Chosen:
    """A sentence of a summary."""

    span: Span
    index: int
    """Which of the text's sentences it is."""
    score: float


@dataclass(frozen=True, slots=True)
class Summary:
    """The chosen sentences in the text's own order."""

    sentences: Sequence[Chosen]
    text_sentences: int
    seconds: float


@dataclass(frozen=True, slots=True)
class _Split:
    """A text as sentences."""

    sentences: Sequence[Sentence]
    candidates: Sequence[int]
    """Those that may be chosen."""
    count: int
    """How many of them are."""


def candidates_of(sentences: Sequence[str], enough: int = 1) -> Sequence[int]:
    """Which of a text's sentences may be chosen: all but the shortest, or all if the others are
    not enough."""
    long = [
        index
        for index, one in enumerate(sentences)
        if len(one.split(maxsplit=FEWEST_WORDS)) >= FEWEST_WORDS
    ]
    return long if len(long) >= enough else range(len(sentences))


def scores_of(vectors: Vectors, count: int) -> NDArray[np.float64]:
    """How well each sentence would stand in a summary of `count` of them: float64 [sentences].

    vectors: float32 [sentences, dimensions], of length 1, in the order of the text.
    """
    whole = vectors.mean(axis=0, dtype=np.float64)
    whole /= np.linalg.norm(whole) or 1.0
    closeness: NDArray[np.float64] = vectors @ whole
    on_topic = closeness >= ON_TOPIC * np.median(closeness)
    first = min(MOST_EARLINESS, EARLINESS * (len(vectors) / count) ** STEEPNESS)
    early = first / np.sqrt(np.maximum(np.cumsum(on_topic), 1))
    scores: NDArray[np.float64] = closeness + early * on_topic
    return scores


def best_of(scores: NDArray[np.float64], count: int) -> list[int]:
    """The `count` sentences with the highest scores, in the order of the text; of equal ones the
    earlier."""
    return sorted(np.argsort(-scores, kind="stable")[:count].tolist())


async def summarize(
    model: EmbeddingModel,
    texts: Sequence[Outcome[Text]],
    length: Length,
    call: Call,
    *,
    most_sentences: int,
) -> list[Outcome[Summary]]:
    """The summary of every text; one with more than `most_sentences` is refused."""
    split = partial(_split, model.read, length, most_sentences)
    splits = await beside(characters_of(texts), each, texts, split)
    documents = [
        split.sentences[index].document
        for split in splits
        if isinstance(split, _Split)
        for index in split.candidates
    ]
    embeddings = await model.embed_documents(documents, call)
    return await beside(characters_of(texts), _summaries, splits, embeddings)


def _split(read: Callable[[Text], Document], length: Length, most: int, text: Text) -> _Split:
    sentences = read_sentences(text, read, most)
    enough = 1 if length.share else length.sentences
    candidates = candidates_of([one.document.content for one in sentences], enough)
    return _Split(sentences, candidates, length.of(len(candidates)))


def _summaries(
    splits: Sequence[Outcome[_Split]], embeddings: Sequence[Outcome[Embedding]]
) -> list[Outcome[Summary]]:
    """embeddings: of the candidates of all texts that were split."""
    following = iter(embeddings)
    return [
        split
        if isinstance(split, ServingError)
        else _summary(split, [next(following) for _ in split.candidates])
        for split in splits
    ]


def _summary(split: _Split, embeddings: Sequence[Outcome[Embedding]]) -> Outcome[Summary]:
    vectors = []
    seconds = 0.0
    for embedding in embeddings:
        if isinstance(embedding, ServingError):
            return embedding
        vectors.append(embedding.vector)
        seconds = max(seconds, embedding.seconds)
    scores = scores_of(np.stack(vectors), split.count)
    chosen = [
        Chosen(split.sentences[index].span, index, float(scores[at]))
        for at in best_of(scores, split.count)
        for index in [split.candidates[at]]
    ]
    return Summary(chosen, len(split.sentences), seconds)
