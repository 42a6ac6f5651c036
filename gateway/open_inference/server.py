"""What the protocol asks of the server as a whole: the gateway with all services behind it."""

from __future__ import annotations

from gateway.open_inference.fleet import Fleet
from gateway.open_inference.question import Question, json_response, readiness
from gateway.open_inference.rpc import SERVER_METADATA, SERVER_READY
from gateway.probes import Probes
from gateway.response import Response
from mlmesh.openinference.v2 import inference_pb2 as pb
from mlmesh.runtime.errors import ServingError

NAME = "mlmesh"
_BINARY_TENSORS = "binary_tensor_data"
"""The one extension that is the gateway's own: binary tensors behind JSON."""
_OK = 200


class Server:
    def __init__(self, fleet: Fleet, probes: Probes) -> None:
        self._fleet = fleet
        self._probes = probes

    async def metadata(self, question: Question) -> Response:
        answers = await self._fleet.gather(
            SERVER_METADATA, pb.ServerMetadataRequest(), question.call
        )
        extensions = [name for _, answer in answers for name in answer.extensions]
        return json_response(
            {
                "name": NAME,
                "version": self._probes.version,
                "extensions": list(dict.fromkeys([*extensions, _BINARY_TENSORS])),
            }
        )

    async def live(self, question: Question) -> Response:
        live = self._probes.alive()[0] == _OK
        return readiness(live, {"live": live})

    async def ready(self, question: Question) -> Response:
        """Whether every model answers; /ready asks only whether the gateway takes requests."""
        ready = self._probes.ready()[0] == _OK and await self._all_ready(question)
        return readiness(ready, {"ready": ready})

    async def _all_ready(self, question: Question) -> bool:
        outcomes = await self._fleet.ask_all(SERVER_READY, pb.ServerReadyRequest(), question.call)
        return all(not isinstance(one, ServingError) and one.ready for _, one in outcomes)
