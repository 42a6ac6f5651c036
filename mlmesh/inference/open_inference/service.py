"""Answers inference.GRPCInferenceService calls, which any client of KServe v2 or Triton sends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib.metadata import version

from mlmesh.inference.batch_run import Answer
from mlmesh.inference.host import Host
from mlmesh.inference.open_inference.bounds import check_bounds
from mlmesh.inference.open_inference.metadata import config_of, metadata_of
from mlmesh.inference.open_inference.model_tensors import ModelTensors, tensors_of
from mlmesh.inference.open_inference.parameters import Terms, terms_of
from mlmesh.inference.open_inference.refusals import refusal_of
from mlmesh.inference.open_inference.repository import (
    index_of,
    model_to_load,
    model_to_unload,
    refuse_repository,
)
from mlmesh.inference.open_inference.request import (
    Input,
    Wanted,
    arrays_of,
    inputs_of,
    reading_cost,
    wanted_of,
)
from mlmesh.inference.open_inference.response import response_of, writing_cost
from mlmesh.inference.open_inference.statistics import statistics_of
from mlmesh.inference.open_inference.stream import OrderedStream
from mlmesh.inference.session import Arrays
from mlmesh.inference.version import LoadedVersion
from mlmesh.openinference.v2 import inference_pb2 as pb
from mlmesh.runtime.call import Call
from mlmesh.runtime.chain import Service
from mlmesh.runtime.contracts import wire_name
from mlmesh.runtime.errors import DeadlineExceeded, NotFound, Unavailable

CONTRACT = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"]
NAME = wire_name(CONTRACT)
"""The service's name on the wire, for health checks and backends."""
SERVER_NAME = "mlmesh"
EXTENSIONS = (
    "classification",
    "model_repository",
    "model_repository(unload_dependents)",
    "schedule_policy",
    "model_configuration",
    "binary_tensor_data",
    "statistics",
)
LONG_WORK = 16_384
"""Elements that are read or written one by one; more of them keep the event loop for milliseconds
and go to a thread."""


class OpenInferenceService:
    """ready: whether the server takes calls; it does when nothing is said."""

    def __init__(self, host: Host, ready: Callable[[], bool] | None = None) -> None:
        self._host = host
        self._ready = ready or (lambda: True)

    async def ServerLive(self, request: pb.ServerLiveRequest, call: Call) -> pb.ServerLiveResponse:
        return pb.ServerLiveResponse(live=True)

    async def ServerReady(
        self, request: pb.ServerReadyRequest, call: Call
    ) -> pb.ServerReadyResponse:
        return pb.ServerReadyResponse(ready=self._ready())

    async def ModelReady(self, request: pb.ModelReadyRequest, call: Call) -> pb.ModelReadyResponse:
        try:
            self._host.find(request.name, request.version)
        except (NotFound, Unavailable):
            return pb.ModelReadyResponse(ready=False)
        return pb.ModelReadyResponse(ready=True)

    async def ServerMetadata(
        self, request: pb.ServerMetadataRequest, call: Call
    ) -> pb.ServerMetadataResponse:
        return pb.ServerMetadataResponse(
            name=SERVER_NAME, version=version("mlmesh"), extensions=EXTENSIONS
        )

    async def ModelMetadata(
        self, request: pb.ModelMetadataRequest, call: Call
    ) -> pb.ModelMetadataResponse:
        loaded = self._host.find(request.name, request.version)
        return metadata_of(self._host.models[loaded.manifest.name], loaded)

    async def ModelInfer(self, request: pb.ModelInferRequest, call: Call) -> pb.ModelInferResponse:
        terms = terms_of(request.parameters, call)
        with self._host.using(request.model_name, request.model_version) as loaded:
            model = loaded.view(tensors_of)
            wanted = wanted_of(request, model)
            inputs = await _read(request, inputs_of(request, model))
            answer = await _run(loaded, inputs, terms)
        return await _written(request, model, wanted, answer.outputs)

    async def ModelConfig(
        self, request: pb.ModelConfigRequest, call: Call
    ) -> pb.ModelConfigResponse:
        loaded = self._host.find(request.name, request.version)
        return pb.ModelConfigResponse(config=config_of(loaded))

    async def ModelStatistics(
        self, request: pb.ModelStatisticsRequest, call: Call
    ) -> pb.ModelStatisticsResponse:
        if request.version:
            versions = [self._host.find(request.name, request.version)]
        elif request.name:
            named = self._host.find(request.name, "").manifest.name
            versions = list(self._host.models[named].versions.values())
        else:
            models = sorted(self._host.models.values(), key=lambda model: model.name)
            versions = [loaded for model in models for loaded in model.versions.values()]
        return pb.ModelStatisticsResponse(model_stats=[statistics_of(one) for one in versions])

    async def RepositoryIndex(
        self, request: pb.RepositoryIndexRequest, call: Call
    ) -> pb.RepositoryIndexResponse:
        refuse_repository(request.repository_name)
        models = index_of(self._host.models.values(), ready=request.ready)
        return pb.RepositoryIndexResponse(models=models)

    async def RepositoryModelLoad(
        self, request: pb.RepositoryModelLoadRequest, call: Call
    ) -> pb.RepositoryModelLoadResponse:
        name = model_to_load(request)
        await self._host.load(name)
        return pb.RepositoryModelLoadResponse(model_name=name, is_loaded=True)

    async def RepositoryModelUnload(
        self, request: pb.RepositoryModelUnloadRequest, call: Call
    ) -> pb.RepositoryModelUnloadResponse:
        name = model_to_unload(request)
        await self._host.unload(name)
        return pb.RepositoryModelUnloadResponse(model_name=name, is_unloaded=True)


def open_inference_service(host: Host, ready: Callable[[], bool] | None = None) -> Service:
    """The protocol's service for every model of a host.

    ready: whether the server takes calls, for ServerReady; always, when nothing is said.
    """
    return Service(
        CONTRACT,
        OpenInferenceService(host, ready),
        item_streams={"ModelStreamInfer": "ModelInfer"},
        open_item_stream=OrderedStream,
        bounds={"ModelInfer": check_bounds, "ModelStreamInfer": check_bounds},
        refusal=refusal_of,
    )


async def _run(loaded: LoadedVersion, inputs: Arrays, terms: Terms) -> Answer:
    try:
        async with asyncio.timeout(terms.seconds):
            return await loaded.run(inputs, deadline=terms.deadline, priority=terms.priority)
    except TimeoutError:
        raise DeadlineExceeded("the request's timeout passed") from None


async def _read(request: pb.ModelInferRequest, inputs: list[Input]) -> Arrays:
    if reading_cost(request, inputs) > LONG_WORK:
        return await asyncio.to_thread(arrays_of, request, inputs)
    return arrays_of(request, inputs)


async def _written(
    request: pb.ModelInferRequest, model: ModelTensors, wanted: list[Wanted], outputs: Arrays
) -> pb.ModelInferResponse:
    if writing_cost(request, wanted, outputs) > LONG_WORK:
        return await asyncio.to_thread(response_of, request, model, wanted, outputs)
    return response_of(request, model, wanted, outputs)
