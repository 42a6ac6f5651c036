"""Running a model: the client's tensors to the service that has it, and its tensors back."""

from __future__ import annotations

from gateway.backends import Backend
from gateway.beside import beside
from gateway.open_inference.fleet import Fleet
from gateway.open_inference.infer_request import (
    HEADER_LENGTH,
    OutputForms,
    header_length_of,
    read_infer_request,
)
from gateway.open_inference.infer_response import write_infer_response
from gateway.open_inference.question import Question
from gateway.open_inference.raw_request import raw_infer_request
from gateway.open_inference.rpc import MODEL_INFER, MODEL_METADATA
from gateway.response import Response
from mlmesh.openinference.v2 import inference_pb2 as pb

_HEADER_LENGTH = HEADER_LENGTH.lower().encode()


class Inference:
    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    async def infer(self, question: Question) -> Response:
        backend = await self._fleet.owner(question.model)
        sent, forms = await self._read(question, backend)
        answer = await self._fleet.send(backend, MODEL_INFER, sent, question.call)
        return await beside(answer, write_infer_response, answer, forms)

    async def _read(self, question: Question, backend: Backend) -> tuple[bytes, OutputForms]:
        model, version, body = question.model, question.version, question.body
        length = header_length_of(question.request.header(_HEADER_LENGTH))
        if length != 0:
            return await beside(body, read_infer_request, model, version, body, length)
        asked = pb.ModelMetadataRequest(name=model, version=version)
        metadata = await self._fleet.ask(backend, MODEL_METADATA, asked, question.call)
        return raw_infer_request(model, version, body, metadata), OutputForms(by_default=True)
