"""The models that could be served, and loading and unloading them."""

from __future__ import annotations

from gateway.json_scalar import expected
from gateway.open_inference.fleet import Fleet
from gateway.open_inference.json_text import optional_object_of
from gateway.open_inference.parameter import fill_repository_parameters, parameters_at
from gateway.open_inference.plain_json import plain
from gateway.open_inference.question import Question, json_response
from gateway.open_inference.rpc import INDEX, LOAD, UNLOAD
from gateway.response import Response
from mlmesh.openinference.v2 import inference_pb2 as pb
from mlmesh.runtime.errors import InvalidInput


class Repository:
    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    async def index(self, question: Question) -> Response:
        ready = optional_object_of(question.body).get("ready") or False
        if type(ready) is not bool:
            raise InvalidInput("ready", expected("true or false", ready).problem)
        asked = pb.RepositoryIndexRequest(ready=ready)
        answers = await self._fleet.gather(INDEX, asked, question.call)
        return json_response(
            [
                plain(model)
                for entry, answer in answers
                for model in answer.models
                if self._fleet.lists(entry, model.name)
            ]
        )

    async def load(self, question: Question) -> Response:
        asked = pb.RepositoryModelLoadRequest(model_name=question.model)
        _fill(asked, question.body)
        await self._fleet.change(question.model, LOAD, asked, question.call)
        return json_response({})

    async def unload(self, question: Question) -> Response:
        asked = pb.RepositoryModelUnloadRequest(model_name=question.model)
        _fill(asked, question.body)
        await self._fleet.change(question.model, UNLOAD, asked, question.call)
        return json_response({})


def _fill(
    request: pb.RepositoryModelLoadRequest | pb.RepositoryModelUnloadRequest, body: bytes
) -> None:
    parameters = parameters_at("parameters", optional_object_of(body).get("parameters"))
    fill_repository_parameters("parameters", request.parameters, parameters)
