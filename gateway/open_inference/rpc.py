"""The protocol's gRPC methods that the gateway calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf.message import Message

from mlmesh.openinference.v2 import inference_pb2 as pb
from mlmesh.runtime.contracts import Method, methods_of

Answer = TypeVar("Answer", bound=Message)

_METHODS = {
    method.name: method
    for method in methods_of(pb.DESCRIPTOR.services_by_name["GRPCInferenceService"])
}


@dataclass(frozen=True, slots=True)
class Rpc(Generic[Answer]):
    method: Method
    answer: type[Answer]


def _rpc(name: str, answer: type[Answer]) -> Rpc[Answer]:
    return Rpc(_METHODS[name], answer)


SERVER_READY = _rpc("ServerReady", pb.ServerReadyResponse)
SERVER_METADATA = _rpc("ServerMetadata", pb.ServerMetadataResponse)
MODEL_READY = _rpc("ModelReady", pb.ModelReadyResponse)
MODEL_METADATA = _rpc("ModelMetadata", pb.ModelMetadataResponse)
MODEL_CONFIG = _rpc("ModelConfig", pb.ModelConfigResponse)
MODEL_STATISTICS = _rpc("ModelStatistics", pb.ModelStatisticsResponse)
MODEL_INFER = _rpc("ModelInfer", pb.ModelInferResponse)
INDEX = _rpc("RepositoryIndex", pb.RepositoryIndexResponse)
LOAD = _rpc("RepositoryModelLoad", pb.RepositoryModelLoadResponse)
UNLOAD = _rpc("RepositoryModelUnload", pb.RepositoryModelUnloadResponse)
