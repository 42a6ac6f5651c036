"""Answers mlmesh.v1.ModelsService calls for the models of one host."""

from __future__ import annotations

from mlmesh.inference.host import FailedVersion, Host, HostedModel, LoadedVersion
from mlmesh.registry.manifest import Feature, Manifest, Tensor
from mlmesh.runtime.call import Call
from mlmesh.runtime.chain import Service
from mlmesh.runtime.errors import ModelNotFound
from mlmesh.v1 import models_pb2 as pb


class ModelsService:
    """service: full name of the service whose methods serve these models."""

    def __init__(self, host: Host, service: str) -> None:
        self._host = host
        self._service = service

    async def ListModels(  # noqa: N802 the contract's name
        self, request: pb.ListModelsRequest, call: Call
    ) -> pb.ListModelsResponse:
        models = sorted(self._host.models.values(), key=lambda model: model.name)
        return pb.ListModelsResponse(models=[self._model(model) for model in models])

    async def GetModel(  # noqa: N802 the contract's name
        self, request: pb.GetModelRequest, call: Call
    ) -> pb.GetModelResponse:
        if request.model not in self._host.models:
            raise ModelNotFound(f"model: nothing named {request.model!r} here")
        return pb.GetModelResponse(model=self._model(self._host.models[request.model]))

    def _model(self, model: HostedModel) -> pb.Model:
        return pb.Model(
            name=model.name,
            service=self._service,
            default_version=model.default_version,
            default=model.name == self._host.default_model,
            versions=[
                *(_loaded(version) for version in model.versions.values()),
                *(_failed(version) for version in model.failed),
            ],
        )


def models_service(host: Host, service: str) -> Service:
    """ModelsService for the models that `service` serves."""
    return Service(pb.DESCRIPTOR.services_by_name["ModelsService"], ModelsService(host, service))


def _loaded(version: LoadedVersion) -> pb.ModelVersion:
    manifest = version.manifest
    return pb.ModelVersion(
        version=manifest.version,
        state=pb.MODEL_STATE_READY,
        digest=manifest.digest,
        provider=version.session.provider,
        inputs=[_tensor(tensor) for tensor in manifest.inputs],
        outputs=[_tensor(tensor) for tensor in manifest.outputs],
        features=[_feature(feature) for feature in manifest.features],
        labels=manifest.labels,
        card=_card(manifest),
    )


def _failed(version: FailedVersion) -> pb.ModelVersion:
    return pb.ModelVersion(
        version=version.stored.version, state=pb.MODEL_STATE_FAILED, reason=version.reason
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
