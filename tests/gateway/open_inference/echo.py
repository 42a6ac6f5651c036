"""A service of the protocol that answers with what it is sent, or fails as its models are named."""

from __future__ import annotations

import asyncio

from mlmesh.inference.open_inference.service import CONTRACT
from mlmesh.openinference.v2 import inference_pb2 as pb
from mlmesh.runtime.call import Call
from mlmesh.runtime.chain import Service
from mlmesh.runtime.errors import (
    Conflict,
    DeadlineExceeded,
    InvalidInput,
    ModelNotFound,
    Overloaded,
    Precondition,
    ServingError,
    TooLarge,
    Unavailable,
    Unsupported,
)
from mlmesh.v1 import models_pb2

FAILURES: dict[str, ServingError] = {
    "invalid": InvalidInput("inputs[0].shape", "too many rows"),
    "precondition": Precondition("model: not that one"),
    "absent": ModelNotFound("model: it was here a moment ago"),
    "conflict": Conflict("model: there already"),
    "full": Overloaded("the queue is full", retry_after=4),
    "away": Unavailable("model: unloaded"),
    "late": DeadlineExceeded("too late"),
    "large": TooLarge("too large"),
    "unsupported": Unsupported("not here"),
}


class EchoService:
    """Has every model; one that is named "wait" waits at a gate."""

    def __init__(self) -> None:
        self.models = ["echo", "wait", "broken", *FAILURES]
        self.offers = "new"
        """The one model that it can load."""
        self.ready = True
        self.requests: list[pb.ModelInferRequest] = []
        self.changes: list[pb.RepositoryModelLoadRequest | pb.RepositoryModelUnloadRequest] = []
        self.deadlines: list[float] = []
        self.gate = asyncio.Event()
        self.begun = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def ListModels(
        self, request: models_pb2.ListModelsRequest, call: Call
    ) -> models_pb2.ListModelsResponse:
        return models_pb2.ListModelsResponse(
            models=[models_pb2.Model(name=name) for name in self.models]
        )

    async def ServerReady(
        self, request: pb.ServerReadyRequest, call: Call
    ) -> pb.ServerReadyResponse:
        return pb.ServerReadyResponse(ready=self.ready)

    async def ServerMetadata(
        self, request: pb.ServerMetadataRequest, call: Call
    ) -> pb.ServerMetadataResponse:
        return pb.ServerMetadataResponse(name="echo", extensions=["statistics", "echoes"])

    async def ModelReady(self, request: pb.ModelReadyRequest, call: Call) -> pb.ModelReadyResponse:
        return pb.ModelReadyResponse(ready=request.name == "echo")

    async def ModelMetadata(
        self, request: pb.ModelMetadataRequest, call: Call
    ) -> pb.ModelMetadataResponse:
        answer = pb.ModelMetadataResponse(name=request.name, versions=["1"])
        answer.inputs.add(name="x", datatype="INT16", shape=[-1, 2])
        return answer

    async def ModelStatistics(
        self, request: pb.ModelStatisticsRequest, call: Call
    ) -> pb.ModelStatisticsResponse:
        # "tiny" belongs to the other service.
        return pb.ModelStatisticsResponse(
            model_stats=[pb.ModelStatistics(name=name) for name in ("echo", "tiny")]
        )

    async def RepositoryIndex(
        self, request: pb.RepositoryIndexRequest, call: Call
    ) -> pb.RepositoryIndexResponse:
        answer = pb.RepositoryIndexResponse()
        for name in ("echo", "tiny", self.offers):
            answer.models.add(name=name, version="1", state="READY")
        return answer

    async def RepositoryModelLoad(
        self, request: pb.RepositoryModelLoadRequest, call: Call
    ) -> pb.RepositoryModelLoadResponse:
        self.changes.append(request)
        if request.model_name not in (self.offers, *self.models):
            raise ModelNotFound("model: not in this repository")
        return pb.RepositoryModelLoadResponse()

    async def RepositoryModelUnload(
        self, request: pb.RepositoryModelUnloadRequest, call: Call
    ) -> pb.RepositoryModelUnloadResponse:
        self.changes.append(request)
        if request.model_name not in self.models:
            raise ModelNotFound("model: not loaded here")
        return pb.RepositoryModelUnloadResponse()

    async def ModelInfer(self, request: pb.ModelInferRequest, call: Call) -> pb.ModelInferResponse:
        self.requests.append(request)
        self.deadlines.append(call.remaining)
        if request.model_name in FAILURES:
            raise FAILURES[request.model_name]
        if request.model_name == "broken":
            raise RuntimeError("the secret is 42")
        if request.model_name == "wait":
            await self._wait()
        answer = pb.ModelInferResponse(
            model_name=request.model_name,
            model_version=request.model_version or "1",
            id=request.id,
            parameters=request.parameters,
            raw_output_contents=request.raw_input_contents,
        )
        for tensor in request.inputs:
            answer.outputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        return answer

    async def _wait(self) -> None:
        self.begun.set()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    def __getattr__(self, name: str) -> object:
        """What is left of the two contracts is not served."""
        if not name[0].isupper():
            raise AttributeError(name)

        async def unsupported(request: object, call: Call) -> object:
            raise Unsupported(f"{name} is not served")

        return unsupported


def echo_services(echo: EchoService) -> list[Service]:
    models = models_pb2.DESCRIPTOR.services_by_name["ModelsService"]
    return [Service(CONTRACT, echo), Service(models, echo)]
