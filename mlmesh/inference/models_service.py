"""Answers mlmesh.v1.ModelsService calls for the models of one host."""

from __future__ import annotations

from mlmesh.inference.host import Host
from mlmesh.inference.hosted_model import HostedModel, VersionState
from mlmesh.inference.open_inference.service import NAME as OPEN_INFERENCE
from mlmesh.inference.version import LoadedVersion
from mlmesh.registry.manifest import Feature, Manifest, Tensor
from mlmesh.runtime.call import Call
from mlmesh.runtime.chain import Service
from mlmesh.runtime.errors import ModelNotFound
from mlmesh.v1 import models_pb2 as pb

_STATES = {
    "LOADING": pb.MODEL_STATE_LOADING,
    "READY": pb.MODEL_STATE_READY,
    "FAILED": pb.MODEL_STATE_FAILED,
    "UNLOADED": pb.MODEL_STATE_UNLOADED,
}


class ModelsService:
    """service: full name of the service whose methods serve these models."""

    def __init__(self, host: Host, service: str) -> None:
        self._host = host
        self._service = service

    async def ListModels(self, request: pb.ListModelsRequest, call: Call) -> pb.ListModelsResponse:
        models = sorted(self._host.models.values(), key=lambda model: model.name)
        return pb.ListModelsResponse(models=[self._model(model) for model in models])

    async def GetModel(self, request: pb.GetModelRequest, call: Call) -> pb.GetModelResponse:
        if request.model not in self._host.models:
            raise ModelNotFound(f"model: nothing named {request.model!r} here")
        return pb.GetModelResponse(model=self._named(request.model))

    async def LoadModel(self, request: pb.LoadModelRequest, call: Call) -> pb.LoadModelResponse:
        await self._host.load(request.model, request.version)
        return pb.LoadModelResponse(model=self._named(request.model))

    async def UnloadModel(
        self, request: pb.UnloadModelRequest, call: Call
    ) -> pb.UnloadModelResponse:
        await self._host.unload(request.model, request.version)
        return pb.UnloadModelResponse(model=self._named(request.model))

    async def SetDefaultVersion(
        self, request: pb.SetDefaultVersionRequest, call: Call
    ) -> pb.SetDefaultVersionResponse:
        await self._host.set_default(request.model, request.version)
        return pb.SetDefaultVersionResponse(model=self._named(request.model))

    async def SetLabel(self, request: pb.SetLabelRequest, call: Call) -> pb.SetLabelResponse:
        await self._host.set_label(request.model, request.label, request.version)
        return pb.SetLabelResponse(model=self._named(request.model))

    async def RemoveLabel(
        self, request: pb.RemoveLabelRequest, call: Call
    ) -> pb.RemoveLabelResponse:
        await self._host.remove_label(request.model, request.label)
        return pb.RemoveLabelResponse(model=self._named(request.model))

    def _named(self, name: str) -> pb.Model:
        """A model after a change; without versions when nothing is left of it."""
        model = self._host.models.get(name)
        return pb.Model(name=name) if model is None else self._model(model)

    def _model(self, model: HostedModel) -> pb.Model:
        return pb.Model(
            name=model.name,
            service=self._service if _has_methods(model) else OPEN_INFERENCE,
            default_version=model.default_version,
            default=model.name == self._host.default_model,
            versions=[_version(model, state) for state in model.states()],
            labels=model.labels,
        )


def models_service(host: Host, service: str) -> Service:
    """ModelsService for the models that `service` serves."""
    return Service(pb.DESCRIPTOR.services_by_name["ModelsService"], ModelsService(host, service))


def _has_methods(model: HostedModel) -> bool:
    """Whether a service's own methods serve it; a plain graph has the Open Inference Protocol's."""
    manifests = [version.manifest for version in model.versions.values()]
    return not manifests or any(manifest.service or manifest.features for manifest in manifests)


def _version(model: HostedModel, state: VersionState) -> pb.ModelVersion:
    found = pb.ModelVersion(version=state.version, state=_STATES[state.state], reason=state.reason)
    if (loaded := model.versions.get(state.version)) is not None:
        found.MergeFrom(_loaded(loaded))
    return found


def _loaded(version: LoadedVersion) -> pb.ModelVersion:
    manifest = version.manifest
    return pb.ModelVersion(
        digest=manifest.digest,
        provider=version.provider,
        inputs=[_tensor(tensor) for tensor in manifest.inputs],
        outputs=[_tensor(tensor) for tensor in manifest.outputs],
        features=[_feature(feature) for feature in manifest.features],
        labels=manifest.labels,
        card=_card(manifest),
        devices=version.devices,
        max_batch=version.max_batch,
        arithmetic=version.arithmetic,
    )


def _tensor(tensor: Tensor) -> pb.TensorSpec:
    shape = [-1 if size is None else size for size in tensor.shape]
    return pb.TensorSpec(name=tensor.name, dtype=tensor.dtype, shape=shape)


def _feature(feature: Feature) -> pb.FeatureSpec:
    numeric = feature.kind == "numeric"
    return pb.FeatureSpec(
        name=feature.name,
        kind=pb.FEATURE_KIND_NUMERIC if numeric else pb.FEATURE_KIND_CATEGORICAL,
        description=feature.description,
        unit=feature.unit,
        minimum=feature.minimum,
        maximum=feature.maximum,
        categories=feature.categories,
    )


def _card(manifest: Manifest) -> pb.ModelCard:
    return pb.ModelCard(
        description=manifest.description,
        task=manifest.task,
        licence=manifest.licence,
        training_data=manifest.training.data,
        training_data_licence=manifest.training.licence,
        citation=manifest.training.citation,
        evaluation_split=manifest.training.split,
        evaluation_rows=manifest.evaluation.rows,
        metrics=manifest.evaluation.metrics,
        limits=manifest.limits,
    )
