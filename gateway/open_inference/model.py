"""What the protocol asks about models: readiness, tensors, configuration, statistics."""

from __future__ import annotations

from gateway.open_inference.fleet import Fleet
from gateway.open_inference.plain_json import plain
from gateway.open_inference.question import Question, json_response, readiness
from gateway.open_inference.rpc import (
    MODEL_CONFIG,
    MODEL_METADATA,
    MODEL_READY,
    MODEL_STATISTICS,
)
from gateway.response import Response
from mlmesh.openinference.v2 import inference_pb2 as pb


class Model:
    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    async def metadata(self, question: Question) -> Response:
        asked = pb.ModelMetadataRequest(name=question.model, version=question.version)
        owned = self._fleet.ask_owner(question.model, MODEL_METADATA, asked, question.call)
        return json_response(plain(await owned))

    async def ready(self, question: Question) -> Response:
        asked = pb.ModelReadyRequest(name=question.model, version=question.version)
        owned = self._fleet.ask_owner(question.model, MODEL_READY, asked, question.call)
        ready = (await owned).ready
        return readiness(ready, {"name": question.model, "ready": ready})

    async def config(self, question: Question) -> Response:
        asked = pb.ModelConfigRequest(name=question.model, version=question.version)
        owned = self._fleet.ask_owner(question.model, MODEL_CONFIG, asked, question.call)
        return json_response(plain((await owned).config))

    async def statistics(self, question: Question) -> Response:
        asked = pb.ModelStatisticsRequest(name=question.model, version=question.version)
        owned = self._fleet.ask_owner(question.model, MODEL_STATISTICS, asked, question.call)
        return json_response(plain(await owned))

    async def all_statistics(self, question: Question) -> Response:
        asked = pb.ModelStatisticsRequest()
        answers = await self._fleet.gather(MODEL_STATISTICS, asked, question.call)
        return json_response(
            {
                "model_stats": [
                    plain(model)
                    for entry, answer in answers
                    for model in answer.model_stats
                    if self._fleet.lists(entry, model.name)
                ]
            }
        )
