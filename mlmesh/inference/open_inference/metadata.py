"""Describes models in the protocol's words."""

from __future__ import annotations

from collections.abc import Sequence

from mlmesh.inference.hosted_model import HostedModel
from mlmesh.inference.open_inference.datatypes import DATATYPES
from mlmesh.inference.version import LoadedVersion
from mlmesh.openinference.v2 import inference_pb2 as pb, model_config_pb2 as config
from mlmesh.registry.manifest import MODEL_FILE, Tensor

PLATFORM = "onnxruntime_onnx"
BACKEND = "onnxruntime"


def metadata_of(model: HostedModel, loaded: LoadedVersion) -> pb.ModelMetadataResponse:
    """The tensors of one version, and all versions that answer."""
    return pb.ModelMetadataResponse(
        name=model.name,
        versions=list(model.versions),
        platform=PLATFORM,
        inputs=[_tensor(tensor) for tensor in loaded.manifest.inputs],
        outputs=[_tensor(tensor) for tensor in loaded.manifest.outputs],
    )


def config_of(loaded: LoadedVersion) -> config.ModelConfig:
    """How one version is run."""
    manifest = loaded.manifest
    has_rows = loaded.shaping.batched
    written = config.ModelConfig(
        name=manifest.name,
        platform=PLATFORM,
        backend=BACKEND,
        max_batch_size=loaded.max_batch if has_rows else 0,
        input=[
            config.ModelInput(
                name=tensor.name,
                data_type=DATATYPES[tensor.dtype].config,
                dims=_sizes(tensor)[has_rows:],
            )
            for tensor in manifest.inputs
        ],
        output=[
            config.ModelOutput(
                name=tensor.name,
                data_type=DATATYPES[tensor.dtype].config,
                dims=_sizes(tensor)[has_rows:],
            )
            for tensor in manifest.outputs
        ],
        instance_group=_groups(loaded),
        default_model_filename=MODEL_FILE,
    )
    if has_rows:
        # It is there even when it says nothing: requests run together, and none waits for others.
        written.dynamic_batching.SetInParent()
        written.dynamic_batching.preferred_batch_size.extend(loaded.shaping.buckets)
    return written


def _groups(loaded: LoadedVersion) -> list[config.ModelInstanceGroup]:
    """Instances by the device that they run on, in Triton's way."""
    groups = []
    for number, device in enumerate(dict.fromkeys(loaded.devices)):
        kind, _, index = device.partition(":")
        on_gpu = kind == "cuda"
        groups.append(
            config.ModelInstanceGroup(
                name=f"{loaded.manifest.name}_{number}",
                kind=(
                    config.ModelInstanceGroup.KIND_GPU
                    if on_gpu
                    else config.ModelInstanceGroup.KIND_CPU
                ),
                count=loaded.devices.count(device),
                gpus=[int(index or 0)] if on_gpu else [],
            )
        )
    return groups


def _tensor(tensor: Tensor) -> pb.ModelMetadataResponse.TensorMetadata:
    return pb.ModelMetadataResponse.TensorMetadata(
        name=tensor.name, datatype=DATATYPES[tensor.dtype].name, shape=_sizes(tensor)
    )


def _sizes(tensor: Tensor) -> Sequence[int]:
    return [-1 if size is None else size for size in tensor.shape]
