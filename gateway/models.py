"""Answers mlmesh.v1.ModelsService calls for the whole mesh."""

from __future__ import annotations

from gateway.directory import Directory
from mlmesh.runtime.call import Call
from mlmesh.runtime.chain import Service
from mlmesh.runtime.errors import ModelNotFound
from mlmesh.v1 import models_pb2 as pb


class ModelsService:
    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def ListModels(  # noqa: N802 the contract's name
        self, request: pb.ListModelsRequest, call: Call
    ) -> pb.ListModelsResponse:
        await self._directory.look()
        return pb.ListModelsResponse(
            models=self._directory.models(), problems=self._directory.problems
        )

    async def GetModel(  # noqa: N802 the contract's name
        self, request: pb.GetModelRequest, call: Call
    ) -> pb.GetModelResponse:
        await self._directory.look()
        for model in self._directory.models():
            if model.name == request.model:
                return pb.GetModelResponse(model=model)
        raise ModelNotFound(f"model: no service of the mesh has one named {request.model!r}")


def models_service(directory: Directory) -> Service:
    """ModelsService for every model of the mesh."""
    return Service(pb.DESCRIPTOR.services_by_name["ModelsService"], ModelsService(directory))
