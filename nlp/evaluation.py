"""How the models of the nlp service are judged through it: batched calls on held-out texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np

from mlmesh.evaluation.evaluation import Evaluation, HeldOutSet, Tolerance
from mlmesh.evaluation.served import SECONDS, Served
from mlmesh.v1 import nlp_pb2 as pb, nlp_pb2_grpc as rpc
from nlp.training import entity_figures, sentiment_figures, similarity_figures, summary_figures
from nlp.training.entity_figures import Claim
from nlp.training.entity_tests import Judged, read_entity_tests
from nlp.training.entity_texts import Sentence
from nlp.training.sentiment_tests import read_sentiment_tests
from nlp.training.similarity_figures import SIMILARITY, Pair, read_pairs
from nlp.training.summary_figures import Summarised, read_summary_tests
from nlp.training.summary_texts import Article
from nlp.training.treebank import Labelled

ARTICLES = 8
"""Of one call: each is as long as thirty of the other texts."""
Shares: TypeAlias = tuple[float, float, float]
"""Probabilities of negative, neutral and positive."""


def tell_sentiment(served: Served, texts: Sequence[Labelled]) -> list[Shares]:
    reply = rpc.NlpServiceStub(served.channel).BatchAnalyzeSentiment(
        pb.BatchAnalyzeSentimentRequest(
            model=served.model, model_version=served.version, texts=[one.text for one in texts]
        ),
        timeout=SECONDS,
    )
    found = [one.probabilities for one in served.results(reply)]
    return [(one.negative, one.neutral, one.positive) for one in found]


def find_entities(served: Served, sentences: Sequence[Sentence]) -> list[list[Claim]]:
    reply = rpc.NlpServiceStub(served.channel).BatchRecognizeEntities(
        pb.BatchRecognizeEntitiesRequest(
            model=served.model, model_version=served.version, texts=[one.text for one in sentences]
        ),
        timeout=SECONDS,
    )
    return [
        [
            Claim((entity.start, entity.end, entity.type), entity.confidence)
            for entity in one.entities
        ]
        for one in served.results(reply)
    ]


def compare_pairs(served: Served, pairs: Sequence[Pair]) -> list[float]:
    reply = rpc.NlpServiceStub(served.channel).BatchSimilarity(
        pb.BatchSimilarityRequest(
            model=served.model,
            model_version=served.version,
            pairs=[pb.TextPair(text=one.first, other=one.second) for one in pairs],
        ),
        timeout=SECONDS,
    )
    return [one.similarity for one in served.results(reply)]


def summarise(
    summarised: Summarised, served: Served, articles: Sequence[Article]
) -> list[list[str]]:
    length = summarised.length
    reply = rpc.NlpServiceStub(served.channel).BatchSummarize(
        pb.BatchSummarizeRequest(
            model=served.model,
            model_version=served.version,
            texts=[one.text for one in articles],
            share=length.share,
            sentence_count=0 if length.share else length.sentences,
        ),
        timeout=SECONDS,
    )
    return [[sentence.text for sentence in one.sentences] for one in served.results(reply)]


def sentiment_in(data: Path) -> list[HeldOutSet[Labelled, Shares]]:
    def figures(name: str, texts: Sequence[Labelled], found: Sequence[Shares]) -> dict[str, float]:
        labels = np.array([one.label for one in texts])
        return sentiment_figures.figures_of(name, np.array(found, np.float64), labels)

    return [
        HeldOutSet(name, texts, tell_sentiment, partial(figures, name))
        for name, texts in read_sentiment_tests(data).items()
    ]


def entities_in(data: Path) -> list[HeldOutSet[Sentence, list[Claim]]]:
    def figures(
        name: str, types: tuple[str, ...], asked: Sequence[Sentence], found: Sequence[list[Claim]]
    ) -> dict[str, float]:
        return entity_figures.figures_of(name, Judged(list(asked), types), found)

    return [
        HeldOutSet(name, one.sentences, find_entities, partial(figures, name, one.types))
        for name, one in read_entity_tests(data).items()
    ]


def embeddings_in(
    data: Path,
) -> list[HeldOutSet[Pair, float] | HeldOutSet[Article, list[str]]]:
    def figures(pairs: Sequence[Pair], cosines: Sequence[float]) -> dict[str, float]:
        scores = np.array([one.score for one in pairs])
        return similarity_figures.figures_of(SIMILARITY, np.array(cosines, np.float64), scores)

    return [
        HeldOutSet(SIMILARITY, read_pairs(data, "test"), compare_pairs, figures),
        *(
            HeldOutSet(
                name,
                one.articles,
                partial(summarise, one),
                partial(summary_figures.figures_of, name),
                ARTICLES,
            )
            for name, one in read_summary_tests(data).items()
        ),
    ]


BEFORE = {
    "*_before": "it takes the scores before they were divided by the temperature; answers hold "
    "only what follows"
}
OF_SUMMARIES = Tolerance(
    0.002,
    "0.2 points; of two sentences that are nearly as good another kind of processor may choose the "
    "other one, and each is a third of a summary",
)
OTHERWISE = Tolerance(
    0.001,
    "0.1 points; the kind of processor that the card was measured on gives the same figures, "
    "another one may round otherwise, which turns a few answers that stood on an edge",
)
TOLERANCES = {"*_rouge*": OF_SUMMARIES, "*_over_lead": OF_SUMMARIES, "*": OTHERWISE}
evaluations: Mapping[str, Evaluation] = {
    "sentiment": Evaluation(sentiment_in, TOLERANCES, BEFORE),
    "entities": Evaluation(entities_in, TOLERANCES, BEFORE),
    "embeddings": Evaluation(embeddings_in, TOLERANCES),
}
