"""Answers mlmesh.v1.ModelsService calls for the whole mesh."""

from __future__ import annotations

from typing import TypeVar

from gateway.directory import Directory
from gateway.open_inference.fleet import Fleet
from gateway.open_inference.rpc import Rpc
from mlmesh.runtime.call import Call
from mlmesh.runtime.chain import Service
from mlmesh.runtime.contracts import methods_of
from mlmesh.runtime.errors import ModelNotFound
from mlmesh.v1 import models_pb2 as pb

CONTRACT = pb.DESCRIPTOR.services_by_name["ModelsService"]
METHODS = {method.name: method for method in methods_of(CONTRACT)}

Change = (
    pb.LoadModelRequest
    | pb.UnloadModelRequest
    | pb.SetDefaultVersionRequest
    | pb.SetLabelRequest
    | pb.RemoveLabelRequest
)
Changed = TypeVar(
    "Changed",
    pb.LoadModelResponse,
    pb.UnloadModelResponse,
    pb.SetDefaultVersionResponse,
    pb.SetLabelResponse,
    pb.RemoveLabelResponse,
)


class ModelsService:
    """Lists from what the directory knows; passes changes on to the service that has the model."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._fleet = Fleet(directory)

    async def ListModels(self, request: pb.ListModelsRequest, call: Call) -> pb.ListModelsResponse:
        await self._directory.look()
        return pb.ListModelsResponse(
            models=self._directory.models(), problems=self._directory.problems
        )

    async def GetModel(self, request: pb.GetModelRequest, call: Call) -> pb.GetModelResponse:
        await self._directory.look()
        for model in self._directory.models():
            if model.name == request.model:
                return pb.GetModelResponse(model=model)
        raise ModelNotFound(f"model: no service of the mesh has one named {request.model!r}")

    async def LoadModel(self, request: pb.LoadModelRequest, call: Call) -> pb.LoadModelResponse:
        return await self._change("LoadModel", pb.LoadModelResponse, request, call)

    async def UnloadModel(
        self, request: pb.UnloadModelRequest, call: Call
    ) -> pb.UnloadModelResponse:
        return await self._change("UnloadModel", pb.UnloadModelResponse, request, call)

    async def SetDefaultVersion(
        self, request: pb.SetDefaultVersionRequest, call: Call
    ) -> pb.SetDefaultVersionResponse:
        return await self._change("SetDefaultVersion", pb.SetDefaultVersionResponse, request, call)

    async def SetLabel(self, request: pb.SetLabelRequest, call: Call) -> pb.SetLabelResponse:
        return await self._change("SetLabel", pb.SetLabelResponse, request, call)

    async def RemoveLabel(
        self, request: pb.RemoveLabelRequest, call: Call
    ) -> pb.RemoveLabelResponse:
        return await self._change("RemoveLabel", pb.RemoveLabelResponse, request, call)

    async def _change(
        self, name: str, answer: type[Changed], request: Change, call: Call
    ) -> Changed:
        """Have the owner do it; a model that nobody has yet is offered to each service in turn."""
        rpc = Rpc(METHODS[name], answer)
        return await self._fleet.change(request.model, rpc, request, call)


def models_service(directory: Directory) -> Service:
    """ModelsService for every model of the mesh."""
    return Service(CONTRACT, ModelsService(directory))
