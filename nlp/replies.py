"""What was found in a text, as the contract says it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeAlias, TypeVar

import numpy as np
from google.rpc import status_pb2

from mlmesh.inference.signing import Signed, sign
from mlmesh.registry.manifest import Manifest
from mlmesh.runtime.call import Call
from mlmesh.runtime.errors import ServingError
from mlmesh.runtime.outcomes import Outcome
from mlmesh.v1 import nlp_pb2 as pb
from nlp.embeddings import Embedding, Similarity
from nlp.entities import Entities
from nlp.sentiment import LABELS, Probabilities, Sentiment
from nlp.spans import byte_spans
from nlp.summary import Summary
from nlp.texts import LANGUAGE

Found = TypeVar("Found")
Result = TypeVar(
    "Result",
    pb.SentimentResult,
    pb.EntitiesResult,
    pb.SummaryResult,
    pb.EmbeddingResult,
    pb.SimilarityResult,
)
SentimentMessage: TypeAlias = (
    pb.AnalyzeSentimentResponse | pb.SentimentResult | pb.SentenceSentiment
)


class _Signed(Signed, Protocol):
    """What every answer ends with."""

    language: str


Message = TypeVar("Message", bound=_Signed)


def signed(response: Message, manifest: Manifest, seconds: float, call: Call) -> Message:
    """The same answer with what it comes from. seconds: how long the model ran."""
    response.language = LANGUAGE
    sign(response, manifest, seconds, call)
    return response


def results_of(
    kind: type[Result],
    put: Callable[[Result, Found, str], None],
    contents: Iterable[str],
    outcomes: Sequence[Outcome[Found]],
) -> list[Result]:
    """A result with its status for every text. put: writes what was found into it."""
    results = []
    for content, outcome in zip(contents, outcomes, strict=True):
        if isinstance(outcome, ServingError):
            results.append(kind(status=outcome.status()))
            continue
        result = kind(status=status_pb2.Status())
        put(result, outcome, content)
        results.append(result)
    return results


def put_sentiment(
    message: pb.AnalyzeSentimentResponse | pb.SentimentResult, found: Sentiment, content: str
) -> None:
    put_probabilities(message, found.probabilities)
    spans = [span for span, _ in found.sentences]
    for (span, probabilities), (start, end) in zip(
        found.sentences, byte_spans(content, spans), strict=True
    ):
        sentence = message.sentences.add(
            text=content[span.start : span.end],
            start=span.start,
            end=span.end,
            start_byte=start,
            end_byte=end,
        )
        put_probabilities(sentence, probabilities)


def put_probabilities(
    message: SentimentMessage | pb.PredictTextResponse, probabilities: Probabilities
) -> None:
    values = dict(zip(LABELS, probabilities.tolist(), strict=True))
    best = max(values, key=values.__getitem__)
    if isinstance(message, pb.PredictTextResponse):
        message.prediction = best
    else:
        message.label = best
    message.confidence = values[best]
    message.probabilities.CopyFrom(pb.SentimentProbabilities(**values))


def put_entities(
    message: pb.RecognizeEntitiesResponse | pb.EntitiesResult, found: Entities, content: str
) -> None:
    spans = [entity.span for entity in found.entities]
    for entity, (start, end) in zip(found.entities, byte_spans(content, spans), strict=True):
        message.entities.add(
            type=entity.type,
            text=content[entity.span.start : entity.span.end],
            start=entity.span.start,
            end=entity.span.end,
            start_byte=start,
            end_byte=end,
            confidence=entity.confidence,
        )


def put_summary(
    message: pb.SummarizeResponse | pb.SummaryResult, found: Summary, content: str
) -> None:
    spans = [chosen.span for chosen in found.sentences]
    for chosen, (start, end) in zip(found.sentences, byte_spans(content, spans), strict=True):
        message.sentences.add(
            text=content[chosen.span.start : chosen.span.end],
            start=chosen.span.start,
            end=chosen.span.end,
            start_byte=start,
            end_byte=end,
            index=chosen.index,
            score=chosen.score,
        )
    message.summary = " ".join(" ".join(one.text.split()) for one in message.sentences)
    message.text_sentences = found.text_sentences


def put_embedding_as(
    encoding: pb.EmbeddingEncoding.ValueType,
) -> Callable[[pb.EmbedResponse | pb.EmbeddingResult, Embedding, str], None]:
    """What writes embeddings the way that a caller wants them."""
    if encoding == pb.EMBEDDING_ENCODING_BYTES:
        return _put_bytes
    return _put_floats


def put_similarity(message: pb.SimilarityResult, found: Similarity, content: str) -> None:
    message.similarity = found.cosine


def _put_floats(
    message: pb.EmbedResponse | pb.EmbeddingResult, found: Embedding, content: str
) -> None:
    message.embedding.extend(found.vector.tolist())


def _put_bytes(
    message: pb.EmbedResponse | pb.EmbeddingResult, found: Embedding, content: str
) -> None:
    message.embedding_bytes = found.vector.astype(np.dtype("<f4")).tobytes()
