"""The protocol over HTTP as a whole: gives every request to the part that answers it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from gateway.directory import Directory
from gateway.open_inference.fleet import Fleet
from gateway.open_inference.inference import Inference
from gateway.open_inference.model import Model
from gateway.open_inference.path import Act, Target
from gateway.open_inference.question import Question
from gateway.open_inference.repository import Repository
from gateway.open_inference.server import Server
from gateway.probes import Probes
from gateway.request import Request
from gateway.response import Response
from mlmesh.runtime.call import Call
from mlmesh.runtime.errors import Unsupported


class OpenInference:
    def __init__(self, directory: Directory, probes: Probes) -> None:
        fleet = Fleet(directory)
        self._answers = _answers(
            Server(fleet, probes), Model(fleet), Repository(fleet), Inference(fleet)
        )

    async def answer(self, target: Target, request: Request, body: bytes, call: Call) -> Response:
        """Raises ServingError."""
        return await self._answers[target.act](Question(target, request, body, call))


def _answers(
    server: Server, model: Model, repository: Repository, inference: Inference
) -> dict[Act, Callable[[Question], Awaitable[Response]]]:
    return {
        Act.INFER: inference.infer,
        Act.SERVER_METADATA: server.metadata,
        Act.SERVER_LIVE: server.live,
        Act.SERVER_READY: server.ready,
        Act.MODEL_METADATA: model.metadata,
        Act.MODEL_READY: model.ready,
        Act.MODEL_CONFIG: model.config,
        Act.MODEL_STATISTICS: model.statistics,
        Act.ALL_STATISTICS: model.all_statistics,
        Act.INDEX: repository.index,
        Act.LOAD: repository.load,
        Act.UNLOAD: repository.unload,
        Act.NOT_SERVED: _not_served,
    }


async def _not_served(question: Question) -> Response:
    template = question.target.template
    raise Unsupported(f"path: {template} is not served here, GET /v2 lists what is")
