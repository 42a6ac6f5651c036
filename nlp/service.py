"""Answers mlmesh.v1.NlpService calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from mlmesh.inference.asked_model import asked_model
from mlmesh.inference.host import Host
from mlmesh.runtime.call import Call
from mlmesh.runtime.chain import Service
from mlmesh.runtime.errors import ServingError
from mlmesh.runtime.outcomes import Outcome, each
from mlmesh.v1 import nlp_pb2 as pb
from nlp import replies
from nlp.embeddings import Embedding, EmbeddingModel, similarities
from nlp.entities import Entities, EntityModel
from nlp.groups import Groups
from nlp.replies import Result, results_of, signed
from nlp.sentiment import Sentiment, SentimentModel
from nlp.summary import METHOD, Length, Summary, length_of, summarize
from nlp.text_model import TextModel
from nlp.texts import Text, TextLimits, check_language
from nlp.threads import beside

CONTRACT = pb.DESCRIPTOR.services_by_name["NlpService"]
STREAMS = {
    "StreamAnalyzeSentiment": "AnalyzeSentiment",
    "StreamRecognizeEntities": "RecognizeEntities",
    "StreamSummarize": "Summarize",
    "StreamEmbed": "Embed",
}

Model = TypeVar("Model", bound=TextModel)
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class OwnModels:
    """Names of the models that answer callers who name none; empty where nobody does."""

    sentiment: str = "sentiment"
    entities: str = "entities"
    embeddings: str = "embeddings"


class NlpService:
    """own: the models of callers who name none."""

    def __init__(self, host: Host, own: OwnModels, limits: TextLimits) -> None:
        self._host = host
        self._own = own
        self._limits = limits
        self._groups = Groups()

    async def AnalyzeSentiment(
        self, request: pb.AnalyzeSentimentRequest, call: Call
    ) -> pb.AnalyzeSentimentResponse:
        check_language(request.language)
        text = self._one("text", request.text)
        with asked_model(self._host, request, self._own.sentiment, SentimentModel) as model:
            found = _only(await self._analyzed(model, [text], call, request.sentences))
            response = pb.AnalyzeSentimentResponse()
            await beside(_length(text), replies.put_sentiment, response, found, request.text)
            return signed(response, model.manifest, found.seconds, call)

    async def BatchAnalyzeSentiment(
        self, request: pb.BatchAnalyzeSentimentRequest, call: Call
    ) -> pb.BatchAnalyzeSentimentResponse:
        check_language(request.language)
        texts = self._many("texts", request.texts)
        with asked_model(self._host, request, self._own.sentiment, SentimentModel) as model:
            found = await self._analyzed(model, texts, call, request.sentences)
            results = await _results(
                pb.SentimentResult, replies.put_sentiment, request.texts, found
            )
            response = pb.BatchAnalyzeSentimentResponse(results=results)
            return signed(response, model.manifest, _slowest(found), call)

    async def PredictText(
        self, request: pb.PredictTextRequest, call: Call
    ) -> pb.PredictTextResponse:
        text = self._one("input_text", request.input_text)
        with asked_model(self._host, request, self._own.sentiment, SentimentModel) as model:
            found = _only(await self._analyzed(model, [text], call))
            response = pb.PredictTextResponse()
            replies.put_probabilities(response, found.probabilities)
            return signed(response, model.manifest, found.seconds, call)

    async def RecognizeEntities(
        self, request: pb.RecognizeEntitiesRequest, call: Call
    ) -> pb.RecognizeEntitiesResponse:
        check_language(request.language)
        text = self._one("text", request.text)
        with asked_model(self._host, request, self._own.entities, EntityModel) as model:
            found = _only(await self._recognized(model, [text], call))
            response = pb.RecognizeEntitiesResponse()
            await beside(_length(text), replies.put_entities, response, found, request.text)
            return signed(response, model.manifest, found.seconds, call)

    async def BatchRecognizeEntities(
        self, request: pb.BatchRecognizeEntitiesRequest, call: Call
    ) -> pb.BatchRecognizeEntitiesResponse:
        check_language(request.language)
        texts = self._many("texts", request.texts)
        with asked_model(self._host, request, self._own.entities, EntityModel) as model:
            found = await self._recognized(model, texts, call)
            results = await _results(pb.EntitiesResult, replies.put_entities, request.texts, found)
            response = pb.BatchRecognizeEntitiesResponse(results=results)
            return signed(response, model.manifest, _slowest(found), call)

    async def Summarize(self, request: pb.SummarizeRequest, call: Call) -> pb.SummarizeResponse:
        check_language(request.language)
        length = length_of(request.sentence_count, request.share)
        text = self._one("text", request.text)
        with asked_model(self._host, request, self._own.embeddings, EmbeddingModel) as model:
            found = _only(await self._summarized(model, [text], length, call))
            response = pb.SummarizeResponse(method=METHOD)
            await beside(_length(text), replies.put_summary, response, found, request.text)
            return signed(response, model.manifest, found.seconds, call)

    async def BatchSummarize(
        self, request: pb.BatchSummarizeRequest, call: Call
    ) -> pb.BatchSummarizeResponse:
        check_language(request.language)
        length = length_of(request.sentence_count, request.share)
        texts = self._many("texts", request.texts)
        with asked_model(self._host, request, self._own.embeddings, EmbeddingModel) as model:
            found = await self._summarized(model, texts, length, call)
            results = await _results(pb.SummaryResult, replies.put_summary, request.texts, found)
            response = pb.BatchSummarizeResponse(results=results, method=METHOD)
            return signed(response, model.manifest, _slowest(found), call)

    async def Embed(self, request: pb.EmbedRequest, call: Call) -> pb.EmbedResponse:
        check_language(request.language)
        text = self._one("text", request.text)
        with asked_model(self._host, request, self._own.embeddings, EmbeddingModel) as model:
            found = _only(await self._embedded(model, [text], call))
            response = pb.EmbedResponse(dimensions=model.dimensions)
            replies.put_embedding_as(request.encoding)(response, found, request.text)
            return signed(response, model.manifest, found.seconds, call)

    async def BatchEmbed(self, request: pb.BatchEmbedRequest, call: Call) -> pb.BatchEmbedResponse:
        check_language(request.language)
        texts = self._many("texts", request.texts)
        with asked_model(self._host, request, self._own.embeddings, EmbeddingModel) as model:
            found = await self._embedded(model, texts, call)
            put = replies.put_embedding_as(request.encoding)
            results = await _results(pb.EmbeddingResult, put, request.texts, found)
            response = pb.BatchEmbedResponse(results=results, dimensions=model.dimensions)
            return signed(response, model.manifest, _slowest(found), call)

    async def Similarity(self, request: pb.SimilarityRequest, call: Call) -> pb.SimilarityResponse:
        check_language(request.language)
        pair = (self._one("text", request.text), self._one("other", request.other))
        with asked_model(self._host, request, self._own.embeddings, EmbeddingModel) as model:
            found = _only(await similarities(partial(self._embedded, model, call=call), [pair]))
            response = pb.SimilarityResponse(similarity=found.cosine)
            return signed(response, model.manifest, found.seconds, call)

    async def BatchSimilarity(
        self, request: pb.BatchSimilarityRequest, call: Call
    ) -> pb.BatchSimilarityResponse:
        check_language(request.language)
        texts = [
            Text(f"pairs[{index}].{field}", getattr(pair, field))
            for index, pair in enumerate(request.pairs)
            for field in ("text", "other")
        ]
        self._limits.check_together("pairs", texts)
        checked = each(texts, self._limits.checked)
        pairs = list(zip(checked[::2], checked[1::2], strict=True))
        with asked_model(self._host, request, self._own.embeddings, EmbeddingModel) as model:
            found = await similarities(partial(self._embedded, model, call=call), pairs)
            results = results_of(
                pb.SimilarityResult, replies.put_similarity, ("" for _ in found), found
            )
            response = pb.BatchSimilarityResponse(results=results)
            return signed(response, model.manifest, _slowest(found), call)

    async def _analyzed(
        self,
        model: SentimentModel,
        texts: Sequence[Outcome[Text]],
        call: Call,
        sentences: bool = False,
    ) -> list[Outcome[Sentiment]]:
        if not sentences:
            return await self._groups.ask(partial(model.analyze, call=call), texts)
        most = self._limits.sentences
        act = partial(model.analyze_sentences, call=call, most_sentences=most)
        return await self._groups.ask(act, texts)

    async def _recognized(
        self, model: EntityModel, texts: Sequence[Outcome[Text]], call: Call
    ) -> list[Outcome[Entities]]:
        return await self._groups.ask(partial(model.recognize, call=call), texts)

    async def _embedded(
        self, model: EmbeddingModel, texts: Sequence[Outcome[Text]], call: Call
    ) -> list[Outcome[Embedding]]:
        return await self._groups.ask(partial(model.embed, call=call), texts)

    async def _summarized(
        self, model: EmbeddingModel, texts: Sequence[Outcome[Text]], length: Length, call: Call
    ) -> list[Outcome[Summary]]:
        most = self._limits.sentences
        act = partial(summarize, model, length=length, call=call, most_sentences=most)
        return await self._groups.ask(act, texts)

    def _one(self, field: str, content: str) -> Text:
        return self._limits.checked(Text(field, content))

    def _many(self, field: str, contents: Sequence[str]) -> list[Outcome[Text]]:
        texts = [Text(f"{field}[{index}]", content) for index, content in enumerate(contents)]
        self._limits.check_together(field, texts)
        return each(texts, self._limits.checked)


def nlp_service(
    host: Host, own: OwnModels | None = None, limits: TextLimits | None = None
) -> Service:
    """NlpService for the models of `host`."""
    servicer = NlpService(host, own or OwnModels(), limits or TextLimits())
    return Service(CONTRACT, servicer, STREAMS)


class _Timed(Protocol):
    @property
    def seconds(self) -> float: ...


def _only(outcomes: Sequence[Outcome[Found]]) -> Found:
    """The outcome of the only text; raises what went wrong."""
    [outcome] = outcomes
    if isinstance(outcome, ServingError):
        raise outcome
    return outcome


def _slowest(outcomes: Sequence[Outcome[_Timed]]) -> float:
    return max((one.seconds for one in outcomes if not isinstance(one, ServingError)), default=0.0)


def _length(text: Text) -> int:
    return len(text.content)


async def _results(
    kind: type[Result],
    put: Callable[[Result, Found, str], None],
    contents: Sequence[str],
    outcomes: Sequence[Outcome[Found]],
) -> list[Result]:
    characters = sum(map(len, contents))
    return await beside(characters, results_of, kind, put, contents, outcomes)
